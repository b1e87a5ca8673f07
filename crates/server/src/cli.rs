//! The command line: parses the arguments and runs the sub-command. Each larger sub-command has its own
//! module.

mod backup;
mod demo;
mod doctor;
mod keys;
mod ledger;
mod listen;
mod nodes;
mod process;
mod seal;
mod secrets;
mod serve;
mod watermarks;
mod webhooks;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::runtime::allocator;
use crate::runtime::config::{self, Config};
use crate::runtime::lifecycle::keep_new_files_private;
use crate::work::sandbox;

/// A self-hosted server for the Pixaven Image API.
#[derive(Parser)]
#[command(name = "pixaven", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server.
    Serve(ServeArgs),
    /// Demonstrates a server, an image and webhooks on this machine; takes a few seconds.
    Demo(demo::DemoArgs),
    /// Processes files and folders here, without a server.
    Process(process::ProcessArgs),
    /// Makes, lists and revokes API keys.
    Keys(keys::KeysArgs),
    /// Shows and rotates the secrets with which webhooks are signed.
    Secrets(secrets::SecretsArgs),
    /// Rotates the key that seals secrets in the ledger.
    Seal(seal::SealArgs),
    /// Adds, lists and removes watermarks.
    Watermarks(watermarks::WatermarksArgs),
    /// Lists, shows, resends and cancels webhooks.
    Webhooks(webhooks::WebhooksArgs),
    /// Lists the nodes that share a PostgreSQL ledger.
    Nodes(nodes::NodesArgs),
    /// Copies the ledger to PostgreSQL, and checks it.
    Ledger(ledger::LedgerArgs),
    /// Copies the database and the files that it names into one archive, while the server runs.
    Backup(backup::BackupArgs),
    /// Receives webhooks for development: prints, checks and forwards them.
    Listen(listen::ListenArgs),
    /// Prints the configuration in force and where each value comes from.
    Config(ConfigArgs),
    /// Checks whether this machine is ready for a server, and says what to change.
    Doctor(ConfigArgs),
    /// Prints which restrictions of image workers this kernel lacks.
    #[command(hide = true, name = sandbox::jail_probe::COMMAND)]
    JailProbe,
    /// Processes images for a server, which starts this command and talks to it over pipes.
    #[command(hide = true)]
    ImageWorker {
        /// Processor time for one image, in seconds.
        cpu_s: u64,
    },
}

#[derive(Args)]
struct ServeArgs {
    /// Address and port; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// TLS certificate chain, PEM.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// TLS private key, PEM.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// A network that may be reached although it is not public, e.g. 127.0.0.0/8; may be given again.
    #[arg(long, value_name = "NETWORK")]
    allow_network: Vec<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// The command-line arguments that select the configuration. Every sub-command that reads the configuration
/// has these arguments.
#[derive(Args)]
struct ConfigArgs {
    /// Configuration file; without it, pixaven.toml of the working directory if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the database, the stored inputs and the results.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Any setting, e.g. images.workers=4; may be given again.
    #[arg(long, value_name = "SECTION.KEY=VALUE", value_parser = parse_key_and_value)]
    set: Vec<(String, String)>,
}

impl ConfigArgs {
    /// Loads the configuration. `flags` contains the settings that the sub-command's own flags set, each as a
    /// dotted key with its value. These settings override the settings from every other source.
    fn load(self, flags: impl IntoIterator<Item = (&'static str, Option<String>)>) -> anyhow::Result<Config> {
        let data_dir = self.data_dir.map(|dir| ("server.data_dir".to_owned(), dir));
        let own_flags = flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        let flags = self.set.into_iter().chain(data_dir).chain(own_flags).collect();
        let file = self.config.or_else(config::file_in_working_directory);
        Ok(Config::load(config::Sources { file, environment: config::environment(), flags })?)
    }
}

/// Parses `section.key=value`.
fn parse_key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a setting is given as section.key=value")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// Parses the arguments of this process and runs the sub-command. An error is printed on standard error.
pub fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pixaven: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    // The results of `process` are the user's own files, so the user's umask applies to them.
    if !matches!(command, Command::Process(_)) {
        keep_new_files_private();
    }
    match command {
        Command::Serve(args) => serve_command(args),
        Command::Demo(args) => runtime()?.block_on(demo::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Process(args) => runtime()?.block_on(process::run(args)),
        Command::Keys(args) => runtime()?.block_on(keys::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Secrets(args) => runtime()?.block_on(secrets::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Seal(args) => runtime()?.block_on(seal::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Watermarks(args) => runtime()?.block_on(watermarks::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Nodes(args) => runtime()?.block_on(nodes::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Webhooks(args) => runtime()?.block_on(webhooks::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Ledger(args) => runtime()?.block_on(ledger::run(args)),
        Command::Backup(args) => runtime()?.block_on(backup::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Listen(args) => runtime()?.block_on(listen::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Config(args) => {
            print!("{}", args.load([])?.render());
            Ok(ExitCode::SUCCESS)
        }
        Command::Doctor(args) => runtime()?.block_on(doctor::run(&args.load([])?)),
        Command::JailProbe => {
            sandbox::jail_probe::print_missing_walls().context("jail probe")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::ImageWorker { cpu_s } => {
            sandbox::worker::run(cpu_s).context("image worker")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn serve_command(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let allowed_networks = (!args.allow_network.is_empty()).then(|| args.allow_network.join(","));
    let config = args.config.load([
        ("server.listen", args.listen),
        ("server.tls_cert", args.tls_cert),
        ("server.tls_key", args.tls_key),
        ("network.allow", allowed_networks),
    ])?;
    crate::runtime::telemetry::start(&config.log);
    allocator::return_large_buffers();
    runtime()?.block_on(serve::run(&config))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")
}
