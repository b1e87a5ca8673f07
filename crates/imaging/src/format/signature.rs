//! Constants that both the recognition of formats and a decoder use: the first bytes of files of some
//! formats, and lengths in icon files.

/// The PNG signature (ISO/IEC 15948, 5.2).
pub(crate) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The first bytes of a JPEG XL file in a container of boxes.
pub(crate) const JXL_CONTAINER: &[u8] = b"\0\0\0\x0cJXL \r\n\x87\n";

/// The first bytes of a JPEG XL codestream without a container.
pub(crate) const JXL_CODESTREAM: &[u8] = b"\xff\x0a";

/// The first bytes of a JPEG 2000 file in a container of boxes.
pub(crate) const JP2_CONTAINER: &[u8] = b"\0\0\0\x0cjP  \r\n\x87\n";

/// The first bytes of a JPEG 2000 codestream without a container: the marker SOC (start of codestream), then
/// the marker SIZ (image and tile size).
pub(crate) const JP2_CODESTREAM: &[u8] = b"\xff\x4f\xff\x51";

/// The first bytes of gzip data with the compression method deflate (RFC 1952, 2.3.1). Compressed SVG files
/// are gzip data.
pub(crate) const GZIP: &[u8] = b"\x1f\x8b\x08";

/// Length in bytes of the header of an icon file. The directory of pictures follows the header.
pub(crate) const ICO_HEADER_BYTES: usize = 6;

/// Length in bytes of one entry in the directory of an icon file.
pub(crate) const ICO_ENTRY_BYTES: usize = 16;
