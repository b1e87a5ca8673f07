//! Limits the number of pieces in which a body arrives. Handling a piece costs about a microsecond, however
//! few bytes the piece has. A peer that sends many tiny pieces therefore costs this machine much more
//! processor time than the peer itself needs.

/// The number of pieces that every body may have, however small the pieces are. A small body that a slow peer
/// sends byte by byte stays below this number.
const FREE_PIECES: u64 = 8 * 1024;

/// The number of bytes after which a body may have one more piece. Real servers send pieces of at least a
/// packet (500 bytes or more) or a buffer (4 KiB or more), so the limit also permits servers that send single
/// lines of text between large pieces.
const MIN_BYTES_PER_PIECE: u64 = 256;

/// Counts the pieces of one body. A piece consists of the bytes that arrive together: one chunk of the
/// chunked transfer coding, or the bytes that one read of the socket returned.
#[derive(Debug, Default)]
pub struct PieceLimit {
    n_pieces: u64,
    n_bytes: u64,
}

/// The error for a body that arrives in too many pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the body arrives in more pieces than {FREE_PIECES} plus one for each {MIN_BYTES_PER_PIECE} bytes; send larger pieces"
)]
pub struct TooManyPieces;

impl PieceLimit {
    /// Counts the next piece of the body, which has `n_bytes` bytes.
    ///
    /// # Errors
    ///
    /// [`TooManyPieces`] if the body has more pieces so far than the limit permits for the received bytes.
    pub fn count(&mut self, n_bytes: usize) -> Result<(), TooManyPieces> {
        self.n_pieces += 1;
        self.n_bytes += n_bytes as u64;
        let is_permitted = self.n_pieces <= FREE_PIECES + self.n_bytes / MIN_BYTES_PER_PIECE;
        if is_permitted { Ok(()) } else { Err(TooManyPieces) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_body_may_arrive_in_a_limited_number_of_tiny_pieces_and_in_any_number_of_larger_pieces() {
        let n_accepted = |n_bytes: usize| {
            let mut limit = PieceLimit::default();
            (0..100_000).take_while(|_| limit.count(n_bytes).is_ok()).count() as u64
        };
        assert_eq!(n_accepted(0), 8_192);
        assert_eq!(n_accepted(1), 8_192 + 8_224 / 256);
        assert_eq!(n_accepted(256), 100_000);
    }
}
