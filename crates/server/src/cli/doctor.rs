//! `pixaven doctor`: checks whether this machine is ready for a server. Prints one line per check, and says
//! what to change if a check fails.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::app::create_data_directory;
use crate::runtime::config::Config;
use crate::work::sandbox::jail::MissingWall;
use crate::work::sandbox::jail_probe;

/// The longest time of a flush to disk that is no warning. Every accepted request waits for a flush.
const SLOW_FLUSH: Duration = Duration::from_millis(50);

/// The number of flushes that are measured. Their median is shown.
const N_FLUSHES: usize = 9;

/// The result of one check.
enum Finding {
    Good(String),
    /// The server runs, but the text says what is missing.
    Warning(String),
    /// The server cannot run.
    Failure(String),
}

/// Runs all checks. The exit code is 1 if the server cannot run on this machine.
pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("the path of this program is needed for image workers")?;
    // The configuration was read before this function, so its check has succeeded.
    let findings = [
        Finding::Good("configuration: every setting is valid (see `pixaven config`)".to_owned()),
        data_directory(&config.server.data_dir),
        jail(&program).await,
    ];
    let mut code = ExitCode::SUCCESS;
    for finding in findings {
        match finding {
            Finding::Good(text) => println!("ok       {text}"),
            Finding::Warning(text) => println!("warning  {text}"),
            Finding::Failure(text) => {
                println!("FAILED   {text}");
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// Checks that files in the data directory can be written and flushed, and how long a flush takes.
fn data_directory(path: &Path) -> Finding {
    let name = path.display();
    match create_data_directory(path).and_then(|()| Ok(median_flush(path)?)) {
        Ok(flush) if flush > SLOW_FLUSH => Finding::Warning(format!(
            "data directory {name}: a flush takes {} ms, and every accepted request waits for one; \
             use a faster disk",
            flush.as_millis()
        )),
        Ok(flush) => Finding::Good(format!(
            "data directory {name}: can be written, a flush takes {:.1} ms",
            flush.as_secs_f64() * 1000.0
        )),
        Err(error) => Finding::Failure(format!(
            "data directory {name}: {error:#}; set server.data_dir to a directory that this user may write"
        )),
    }
}

/// Returns the median time in which 4 KiB of a temporary file in `directory` are flushed to disk.
fn median_flush(directory: &Path) -> std::io::Result<Duration> {
    let path = directory.join("doctor.tmp");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(N_FLUSHES);
    for _ in 0..N_FLUSHES {
        file.write_all(&[0; 4096])?;
        let started = Instant::now();
        file.sync_all()?;
        times.push(started.elapsed());
    }
    std::fs::remove_file(&path)?;
    times.sort_unstable();
    Ok(times[N_FLUSHES / 2])
}

/// Checks that an image worker can be locked into its jail.
async fn jail(program: &Path) -> Finding {
    match jail_probe::missing_walls(program).await {
        Ok(missing) if missing.is_empty() => {
            Finding::Good("image workers: every restriction of their jail is in force".to_owned())
        }
        Ok(missing) => {
            let names: Vec<_> = missing.into_iter().map(MissingWall::name).collect();
            Finding::Warning(format!(
                "image workers: this kernel lacks {}; the other restrictions of their jail are in force \
                 (see docs/operating.md)",
                names.join(", ")
            ))
        }
        Err(error) => Finding::Failure(format!("image workers: {error}")),
    }
}
