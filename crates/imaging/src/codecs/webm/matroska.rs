//! Writes a Matroska file (RFC 9559) with one video track, restricted to what WebM allows.

use super::ebml::{bytes, float, master, text, uint, wide_uint};

/// The unit of all times in the file: one millisecond, expressed in nanoseconds.
const MILLISECOND_NS: u64 = 1_000_000;

/// The shortest duration of a cluster in milliseconds. When this duration has passed, the next key frame
/// begins a new cluster, because players can seek only to the start of a cluster.
const MIN_CLUSTER_MS: u64 = 5_000;

/// The longest duration of a cluster in milliseconds. It is limited because the time of a block is stored as
/// a signed 16-bit number, counted from the start of the cluster.
const MAX_CLUSTER_MS: u64 = i16::MAX as u64;

/// The track number of the video track, which is the only track.
const TRACK: u64 = 1;

/// The code point of the BT.709 colour primaries (ITU-T H.273).
const PRIMARIES: u64 = 1;
/// The code point of the BT.709 transfer function (ITU-T H.273).
const TRANSFER: u64 = 1;
/// The code point of the BT.601 matrix (ITU-T H.273).
const MATRIX: u64 = 6;
/// The number that Matroska uses for limited range (16–235).
const LIMITED_RANGE: u64 = 1;

/// One coded frame.
pub(super) struct Block {
    pub(super) data: Vec<u8>,
    /// Whether the frame is a key frame, which can be decoded without other frames.
    pub(super) key: bool,
    pub(super) duration_ms: u32,
}

/// A Matroska file that is built in memory by adding frames.
pub(super) struct Movie {
    width: u32,
    height: u32,
    blocks: Vec<Block>,
}

/// A cluster: a part of the track, with its start time and the bytes of its blocks.
struct Cluster {
    start_ms: u64,
    /// Whether the cluster begins with a key frame, so that a player can seek to it.
    key: bool,
    bytes: Vec<u8>,
}

impl Movie {
    /// Creates a file without frames.
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self { width, height, blocks: Vec::new() }
    }

    /// Adds a frame.
    pub(super) fn push(&mut self, block: Block) {
        self.blocks.push(block);
    }

    pub(super) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    pub(super) fn n_blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Returns the whole file.
    pub(super) fn finish(self) -> Vec<u8> {
        let mut head = Vec::new();
        self.information(&mut head);
        self.track(&mut head);
        let clusters = clusters(self.blocks);
        // The index contains the offsets of the clusters, which follow the index. Therefore the index is
        // written twice. The first index has offsets of 0 and is only measured, because its length does not
        // depend on the offsets. The second index has the real offsets.
        let mut index = Vec::new();
        write_index(&mut index, &clusters, 0);
        let first_cluster = (head.len() + index.len()) as u64;
        write_index(&mut head, &clusters, first_cluster);
        for cluster in clusters {
            head.extend(cluster.bytes);
        }
        let mut file = Vec::with_capacity(head.len() + 64);
        master(&mut file, 0x1a45_dfa3, |out| {
            [(0x4286, 1), (0x42f7, 1), (0x42f2, 4), (0x42f3, 8)].iter().for_each(|&(id, v)| uint(out, id, v));
            text(out, 0x4282, "webm");
            uint(out, 0x4287, 4);
            uint(out, 0x4285, 2);
        });
        bytes(&mut file, 0x1853_8067, &head);
        file
    }

    /// Appends the element `Info`: unit of time, duration, and the name of the program.
    fn information(&self, out: &mut Vec<u8>) {
        let duration_ms: u64 = self.blocks.iter().map(|block| u64::from(block.duration_ms)).sum();
        master(out, 0x1549_a966, |out| {
            uint(out, 0x2a_d7b1, MILLISECOND_NS);
            float(out, 0x4489, duration_ms as f64);
            text(out, 0x4d80, "pixaven");
            text(out, 0x5741, "pixaven");
        });
    }

    /// Appends the element `Tracks`, which describes the only track.
    fn track(&self, out: &mut Vec<u8>) {
        master(out, 0x1654_ae6b, |out| {
            master(out, 0xae, |out| {
                uint(out, 0xd7, TRACK);
                uint(out, 0x73c5, TRACK);
                // These elements state that the track uses no lacing and that it is a video track.
                uint(out, 0x9c, 0);
                uint(out, 0x83, 1);
                text(out, 0x86, "V_VP8");
                master(out, 0xe0, |out| {
                    uint(out, 0xb0, self.width.into());
                    uint(out, 0xba, self.height.into());
                    // Progressive frames.
                    uint(out, 0x9a, 2);
                    master(out, 0x55b0, |out| {
                        uint(out, 0x55b1, MATRIX);
                        uint(out, 0x55b9, LIMITED_RANGE);
                        uint(out, 0x55ba, TRANSFER);
                        uint(out, 0x55bb, PRIMARIES);
                    });
                });
            });
        });
    }
}

/// Divides the frames of the file into clusters.
fn clusters(blocks: Vec<Block>) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> = Vec::new();
    let mut content = Vec::new();
    let (mut now_ms, mut start_ms, mut start_key) = (0u64, 0u64, true);
    let n_blocks = blocks.len();
    for (i, block) in blocks.into_iter().enumerate() {
        let age_ms = now_ms - start_ms;
        if age_ms > MAX_CLUSTER_MS || (block.key && age_ms >= MIN_CLUSTER_MS) {
            clusters.push(cluster(start_ms, start_key, &content));
            content.clear();
            (start_ms, start_key) = (now_ms, block.key);
        }
        write_block(&mut content, &block, now_ms - start_ms, i + 1 == n_blocks);
        now_ms += u64::from(block.duration_ms);
    }
    clusters.push(cluster(start_ms, start_key, &content));
    clusters
}

/// Returns a cluster that contains the given bytes of blocks.
fn cluster(start_ms: u64, key: bool, blocks: &[u8]) -> Cluster {
    let mut file = Vec::new();
    master(&mut file, 0x1f43_b675, |out| {
        uint(out, 0xe7, start_ms);
        out.extend_from_slice(blocks);
    });
    Cluster { start_ms, key, bytes: file }
}

/// Appends a frame as a block. Only the last frame of the file states a duration, because every other frame
/// lasts until the next frame begins.
fn write_block(out: &mut Vec<u8>, block: &Block, at_ms: u64, last: bool) {
    let mut content = vec![0x80 | TRACK as u8];
    content.extend((at_ms as i16).to_be_bytes());
    content.push(if block.key && !last { 0x80 } else { 0 });
    content.extend_from_slice(&block.data);
    if !last {
        return bytes(out, 0xa3, &content);
    }
    master(out, 0xa0, |out| {
        bytes(out, 0xa1, &content);
        uint(out, 0x9b, block.duration_ms.into());
        if !block.key {
            // A block that is not a key frame must have a reference to an earlier block.
            bytes(out, 0xfb, &[0xff]);
        }
    });
}

/// Appends the index, which states the position of each cluster that begins with a key frame. A position is
/// counted in bytes from the start of the content of the segment. `first_cluster` is the position of the
/// first cluster.
fn write_index(out: &mut Vec<u8>, clusters: &[Cluster], first_cluster: u64) {
    master(out, 0x1c53_bb6b, |out| {
        let mut position = first_cluster;
        for cluster in clusters {
            if cluster.key {
                master(out, 0xbb, |out| {
                    wide_uint(out, 0xb3, cluster.start_ms);
                    master(out, 0xb7, |out| {
                        uint(out, 0xf7, TRACK);
                        wide_uint(out, 0xf1, position);
                    });
                });
            }
            position += cluster.bytes.len() as u64;
        }
    });
}
