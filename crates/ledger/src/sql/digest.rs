//! The digest of all rows of a table, which is the same in every database that stores the same rows.
//!
//! The digest is the sum of the SHA-256 hashes of the rows. A sum does not depend on the order of the rows,
//! so that no database has to sort them.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::catalog::Table;
use super::snapshot::Snapshot;
use super::sql_value::{SqlValue, storable};
use crate::error::Error;

/// The number of rows of a table, and the digest of these rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableDigest {
    /// The number of rows.
    pub n_rows: u64,
    /// The sum of the hashes of the rows: four numbers, each modulo 2^64.
    sum: [u64; 4],
}

/// Shows the sum as hexadecimal digits.
impl fmt::Display for TableDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sum.iter().try_for_each(|part| write!(f, "{part:016x}"))
    }
}

/// Reads all rows of a table.
pub(crate) fn digest(snapshot: &mut impl Snapshot, table: &Table) -> Result<TableDigest, Error> {
    let mut digest = TableDigest::default();
    snapshot.query(&table.select(), |row| {
        digest.add(row);
        Ok::<_, Error>(())
    })?;
    Ok(digest)
}

impl TableDigest {
    fn add(&mut self, row: &[SqlValue<'_>]) {
        let mut hash = Sha256::new();
        for value in row {
            hash_value(&mut hash, value);
        }
        let hash: [u8; 32] = hash.finalize().into();
        for (sum, part) in self.sum.iter_mut().zip(hash.chunks_exact(8)) {
            let part = part.try_into().map_or(0, u64::from_be_bytes);
            *sum = sum.wrapping_add(part);
        }
        self.n_rows += 1;
    }
}

/// Adds a value to the hash of a row: a byte for the kind of the value, the length of a text or of bytes, and
/// the value. Therefore two different rows never add the same bytes. A UUID counts as its 16 bytes, because SQLite stores these.
fn hash_value(hash: &mut Sha256, value: &SqlValue<'_>) {
    match value {
        SqlValue::Null(_) => hash.update([0]),
        SqlValue::Int(number) => {
            hash.update([1]);
            hash.update(number.to_be_bytes());
        }
        SqlValue::Text(text) => {
            let text = storable(text);
            hash.update([2]);
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        SqlValue::Bytes(bytes) => hash_bytes(hash, bytes),
        SqlValue::Uuid(id) => hash_bytes(hash, id.as_bytes()),
    }
}

fn hash_bytes(hash: &mut Sha256, bytes: &[u8]) {
    hash.update([3]);
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{SqlValue, TableDigest};
    use crate::sql::sql_value::SqlType;

    fn digest(rows: &[&[SqlValue<'_>]]) -> TableDigest {
        let mut digest = TableDigest::default();
        rows.iter().for_each(|row| digest.add(row));
        digest
    }

    #[test]
    fn the_digest_of_a_table_depends_on_each_value_and_not_on_the_order_of_the_rows() {
        use SqlValue::{Bytes, Int, Null, Text};
        let rows: [&[_]; 3] = [&[Int(1), Text("ab")], &[Int(2), Text("")], &[Int(2), Null(SqlType::Text)]];
        let expected = digest(&rows);
        assert_eq!(expected, digest(&[rows[2], rows[0], rows[1]]));
        assert_eq!(expected.n_rows, 3);
        for other in [
            [rows[0], rows[1], rows[1]],
            [&[Int(1), Text("abc")], rows[1], rows[2]],
            [&[Int(1), Bytes(b"ab")], rows[1], rows[2]],
        ] {
            assert_ne!(expected, digest(&other), "{other:?}");
        }
        assert_ne!(digest(&[&[Text("a"), Text("bc")]]), digest(&[&[Text("ab"), Text("c")]]));
    }

    #[test]
    fn values_that_the_databases_store_in_different_forms_have_the_same_digest() {
        let id = Uuid::from_u128(7);
        assert_eq!(digest(&[&[SqlValue::Uuid(id)]]), digest(&[&[SqlValue::Bytes(id.as_bytes())]]));
        assert_eq!(digest(&[&[SqlValue::Text("a\0b")]]), digest(&[&[SqlValue::Text("a\u{fffd}b")]]));
    }
}
