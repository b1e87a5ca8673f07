//! The interface of the readers of entropy-coded data, of which one reads Huffman codes and one arithmetic
//! codes. The handling of restart markers is the same for both.

/// A reader of the entropy-coded data of a scan. The reader stops before every marker.
pub(super) trait EntropyReader {
    /// Returns whether the reader needed more data than there is, so that the values that it returns are not
    /// in the file.
    fn exhausted(&self) -> bool;

    /// Returns whether the data that was read ends at the end of the file and not at a marker. A single 0xff
    /// byte at the end of the file does not count as a marker.
    fn ends_with_file(&self) -> bool;

    /// Returns an offset at or before the next marker. The reader never reads past a marker, even when it
    /// reads data in advance.
    fn position(&self) -> usize;

    /// Continues reading at offset `at`, the first byte after a marker.
    fn restart(&mut self, at: usize);

    /// Returns the bytes of the whole file, so that the caller can search for a marker.
    fn data(&self) -> &[u8];
}

/// Implements [`EntropyReader::ends_with_file`] for a reader whose next byte is `data[at]`.
pub(super) fn ends_with_file(data: &[u8], at: usize) -> bool {
    match data.get(at..) {
        Some([0xff, marker, ..]) => *marker == 0,
        Some([_, _, ..]) => false,
        _ => true,
    }
}
