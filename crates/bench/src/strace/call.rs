//! Parses the system calls in a trace of `strace`, together with the order in which they began and ended.
//!
//! `strace` writes a call as one line, or as two lines if a call of another thread began or ended in between.
//! The numbers of these lines therefore tell which of two calls ended before the other began.

use std::collections::HashMap;

use anyhow::{Context, ensure};

/// One system call of one thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SystemCall {
    pub(crate) name: String,
    /// The text between the parentheses.
    pub(crate) arguments: String,
    /// The returned value. `None` if the trace ends before the call, or if the value is unknown.
    pub(crate) result: Option<i64>,
    /// Whether `strace` returned the value instead of the system. The system did not execute such a call.
    pub(crate) is_injected: bool,
    /// The number of the trace line in which the system call began.
    pub(crate) begin: usize,
    /// The number of the trace line in which the system call ended, or `usize::MAX` if the trace does not
    /// show the end of the call.
    pub(crate) end: usize,
}

/// A file descriptor as option `-y` shows it: the number, and the path in angle brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) number: i64,
    pub(crate) path: String,
    /// Whether the file had no name any more when the call began.
    pub(crate) is_deleted: bool,
}

/// Parses all calls of a trace in the order in which they began. `first_line` is the number of the first
/// line, so that the numbers of several traces can continue each other.
pub(crate) fn parse(trace: &str, first_line: usize) -> anyhow::Result<Vec<SystemCall>> {
    let mut calls: Vec<SystemCall> = Vec::new();
    let mut unfinished: HashMap<&str, usize> = HashMap::new();
    for (number, line) in (first_line..).zip(trace.lines()) {
        let Some((thread, rest)) = thread_and_rest(line) else { continue };
        if let Some((name, ending)) = resumed(rest) {
            let at = unfinished.remove(thread);
            let call = &mut calls[at.with_context(|| format!("line {number} ends no call"))?];
            ensure!(call.name == name, "line {number} ends a call of {name}, not of {}", call.name);
            call.finish(ending, number).with_context(|| format!("line {number} cannot be read"))?;
        } else if let Some((name, arguments)) = name_and_arguments(rest) {
            let mut call = SystemCall::begun(name, number);
            if let Some(first_part) = arguments.strip_suffix(" <unfinished ...>") {
                call.arguments = first_part.to_owned();
                unfinished.insert(thread, calls.len());
            } else {
                call.finish(arguments, number).with_context(|| format!("line {number} cannot be read"))?;
            }
            calls.push(call);
        }
    }
    Ok(calls)
}

/// Splits a line into the thread and the text after the time.
pub(super) fn thread_and_rest(line: &str) -> Option<(&str, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    let (_time, rest) = rest.trim_start().split_once(' ')?;
    Some((thread, rest))
}

/// Splits the text of a call that begins in this line into its name and the text after the parenthesis.
/// Returns `None` for other lines, such as the second half of a call or the end of a process.
pub(super) fn name_and_arguments(rest: &str) -> Option<(&str, &str)> {
    let (name, arguments) = rest.split_once('(')?;
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some((name, arguments))
}

/// Splits the second half of a call into the name of the call and the text after the remark.
fn resumed(rest: &str) -> Option<(&str, &str)> {
    rest.strip_prefix("<... ")?.split_once(" resumed>")
}

impl SystemCall {
    fn begun(name: &str, begin: usize) -> Self {
        let (arguments, result) = (String::new(), None);
        Self { name: name.to_owned(), arguments, result, is_injected: false, begin, end: usize::MAX }
    }

    /// Adds the end of the call: the last part of the arguments, the closing parenthesis and the result.
    fn finish(&mut self, ending: &str, end: usize) -> anyhow::Result<()> {
        let (arguments, result) = ending.rsplit_once(" = ").context("a call without a result")?;
        let arguments = arguments.trim_end().strip_suffix(')').context("a call without a parenthesis")?;
        self.arguments.push_str(arguments);
        let n_digits = result.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(result.len());
        // The result `?` means that the process ended during the call.
        self.result = result[..n_digits].parse().ok();
        self.is_injected = result.ends_with("(INJECTED)");
        self.end = end;
        Ok(())
    }

    /// Returns whether the system has executed the call successfully.
    pub(crate) fn is_done(&self) -> bool {
        !self.is_injected && self.result.is_some_and(|result| result >= 0)
    }

    /// Returns the `n`th argument as a file descriptor, if it has a path.
    pub(crate) fn descriptor(&self, n: usize) -> Option<Descriptor> {
        let argument = self.argument(n)?;
        let (number, path) = argument.split_once('<')?;
        // The path of a connection contains `->`.
        let (path, remark) = path.rsplit_once('>')?;
        // `AT_FDCWD` has a path, too, but no number.
        let number = number.parse().unwrap_or(-1);
        let path = if path.starts_with("\\x") { text(path)? } else { path.to_owned() };
        Some(Descriptor { number, path, is_deleted: remark.contains("deleted") })
    }

    /// Returns the `n`th argument. Arguments before it must contain no comma, which holds for descriptors,
    /// numbers, flags and escaped strings.
    pub(crate) fn argument(&self, n: usize) -> Option<&str> {
        self.arguments.split(", ").nth(n)
    }

    /// Returns the `n`th argument as a number.
    pub(crate) fn number(&self, n: usize) -> Option<u64> {
        self.argument(n)?.parse().ok()
    }

    /// Returns the `n`th argument as a path.
    pub(crate) fn path(&self, n: usize) -> Option<String> {
        text(self.argument(n)?.strip_prefix('"')?.strip_suffix('"')?)
    }

    /// Returns the bytes of all strings in the arguments, one after the other: the data of a write.
    pub(crate) fn data(&self) -> Option<Vec<u8>> {
        let strings = self.arguments.split('"').skip(1).step_by(2);
        strings.map(bytes).collect::<Option<Vec<_>>>().map(|strings| strings.concat())
    }
}

/// Decodes a string that option `-xx` has escaped, such as `\x2f\x74`.
fn bytes(escaped: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = |escaped: &[u8]| match escaped {
        [b'\\', b'x', high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
        _ => None,
    };
    escaped.as_bytes().chunks(4).map(byte).collect()
}

fn text(escaped: &str) -> Option<String> {
    String::from_utf8(bytes(escaped)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_call_split_into_two_strace_lines_is_parsed_with_both_line_numbers_and_all_arguments() {
        let trace = "7  1.000001 pwrite64(3<\\x2f\\x61>, \"\\x41\\x42\" <unfinished ...>\n\
                     8  1.000002 fsync(4<\\x2f\\x62>(deleted)) = 0 (INJECTED)\n\
                     7  1.000003 <... pwrite64 resumed>, 2, 5) = 2\n\
                     8  1.000004 fsync(4<\\x2f\\x62> <unfinished ...>\n\
                     8  1.000005 +++ killed by SIGKILL +++\n";
        let calls = parse(trace, 10).unwrap();
        assert_eq!(calls.len(), 3);
        let write = &calls[0];
        assert_eq!((write.begin, write.end, write.is_done()), (10, 12, true));
        assert_eq!((write.data(), write.number(3)), (Some(b"AB".to_vec()), Some(5)));
        let file = Descriptor { number: 3, path: "/a".to_owned(), is_deleted: false };
        assert_eq!(write.descriptor(0), Some(file));
        assert!(calls[1].descriptor(0).unwrap().is_deleted && !calls[1].is_done());
        assert_eq!((calls[2].end, calls[2].is_done()), (usize::MAX, false));
    }

    #[test]
    fn a_system_call_that_returns_an_error_counts_as_not_done_and_hex_escaped_paths_are_decoded() {
        let trace = "7 1.0 mkdir(\"\\x2f\\x64\", 0700)            = -1 EEXIST (File exists)\n\
                     7 1.1 openat(AT_FDCWD<\\x2f>, \"\\x64\", O_RDONLY) = 9<\\x2f\\x64>\n";
        let calls = parse(trace, 0).unwrap();
        assert!(!calls[0].is_done() && calls[0].path(0).as_deref() == Some("/d"));
        assert_eq!((calls[1].result, calls[1].path(1).as_deref()), (Some(9), Some("d")));
        assert_eq!(calls[1].descriptor(0).unwrap().path, "/");
    }

    #[test]
    fn the_buffers_of_a_writev_call_in_an_strace_output_are_joined_to_one_byte_string() {
        let trace = "7 1.0 writev(5<TCP:[127.0.0.1:1->127.0.0.1:2]>, [{iov_base=\"\\x48\\x54\", iov_len=2}, \
                     {iov_base=\"\\x54\", iov_len=1}], 2) = 3\n";
        let call = &parse(trace, 0).unwrap()[0];
        assert_eq!(call.data(), Some(b"HTT".to_vec()));
        assert_eq!(call.descriptor(0).unwrap().path, "TCP:[127.0.0.1:1->127.0.0.1:2]");
    }
}
