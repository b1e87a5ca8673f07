//! The store of the server's own files, as it is configured.

use std::time::Duration;

use anyhow::Context as _;
use pixaven_net::AddressPolicy;

use super::{BLOBS, net_with};
use crate::runtime::config::{BlobsUrl, Config, environment};
use crate::work::blobs::{Blobs, BucketSettings};

/// Opens the store of uploads, results and watermarks: a directory or a bucket.
pub fn open_blobs(config: &Config) -> anyhow::Result<Blobs> {
    let blobs = &config.blobs;
    let (service, bucket, prefix) = match blobs.url.clone() {
        None => return Blobs::directory(&config.server.data_dir.join(BLOBS)).context("server.data_dir"),
        Some(BlobsUrl::Directory(path)) => return Blobs::directory(&path).context("blobs.url"),
        Some(BlobsUrl::Bucket { service, bucket, prefix }) => (service, bucket, prefix),
    };
    let mut variables = environment();
    if let Some(file) = &blobs.credentials {
        let text = std::fs::read_to_string(file).context("blobs.credentials")?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            let (name, value) = line.split_once('=').context("blobs.credentials: a line is NAME=VALUE")?;
            variables.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    let region = Some(blobs.region.clone()).filter(|region| !region.is_empty());
    let deadline = Duration::from_secs(blobs.deadline_s);
    let endpoint = blobs.endpoint.clone();
    let settings = BucketSettings { service, bucket, prefix, endpoint, region, variables, deadline };
    // The operator chooses the bucket, and the cloud chooses the addresses of its credentials. The address policy
    // is about the addresses that customers choose.
    let everywhere = ["0.0.0.0/0", "::/0"].map(str::parse).into_iter().collect::<Result<_, _>>()?;
    let net = net_with(config, AddressPolicy::allowing(everywhere), None)?;
    Blobs::bucket(&settings, net).context("blobs.url")
}
