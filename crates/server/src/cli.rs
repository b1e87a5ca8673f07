//! The command line. Each sub-command is a thin call into the parts; what needs more is a module of its own.

mod demo;
mod keys;
mod listen;
mod process;
mod secrets;
mod serve;
mod watermarks;
mod webhooks;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::runtime::config::{self, Config};
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
    /// Shows the whole thing at work: a server, an image, webhooks that arrive; takes a few seconds.
    Demo(demo::DemoArgs),
    /// Processes files and folders here, without a server.
    Process(process::ProcessArgs),
    /// Makes, lists and revokes API keys.
    Keys(keys::KeysArgs),
    /// Shows and rotates the secrets with which webhooks are signed.
    Secrets(secrets::SecretsArgs),
    /// Adds, lists and removes watermarks.
    Watermarks(watermarks::WatermarksArgs),
    /// Looks at webhooks, sends them again, gives them up.
    Webhooks(webhooks::WebhooksArgs),
    /// Receives webhooks for development: prints them, checks them, hands them on.
    Listen(listen::ListenArgs),
    /// Prints the configuration in force and where each value comes from.
    Config(ConfigArgs),
    /// What the server starts to process images; speaks on its pipes only.
    #[command(hide = true)]
    ImageWorker {
        /// CPU seconds an image may take.
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

/// Where the configuration comes from, for every sub-command that needs one.
#[derive(Args)]
struct ConfigArgs {
    /// Configuration file; without it, pixaven.toml of the working directory if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of everything that is kept.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Any setting, e.g. images.workers=4; may be given again.
    #[arg(long, value_name = "SECTION.KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

impl ConfigArgs {
    /// The configuration in force, `flags` winning over everything else.
    fn load(self, flags: impl IntoIterator<Item = (&'static str, Option<String>)>) -> anyhow::Result<Config> {
        let data_dir = self.data_dir.map(|dir| ("server.data_dir".to_owned(), dir));
        let named = flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        let flags = self.set.into_iter().chain(data_dir).chain(named).collect();
        let file = self.config.or_else(config::file_in_working_directory);
        Ok(Config::load(config::Sources { file, environment: config::environment(), flags })?)
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a setting is given as section.key=value")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// Runs the command line of this process.
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
    match command {
        Command::Serve(args) => serve_command(args),
        Command::Demo(args) => runtime()?.block_on(demo::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Process(args) => runtime()?.block_on(process::run(args)),
        Command::Keys(args) => runtime()?.block_on(keys::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Secrets(args) => runtime()?.block_on(secrets::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Watermarks(args) => runtime()?.block_on(watermarks::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Webhooks(args) => runtime()?.block_on(webhooks::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Listen(args) => runtime()?.block_on(listen::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Config(args) => {
            print!("{}", args.load([])?.render());
            Ok(ExitCode::SUCCESS)
        }
        Command::ImageWorker { cpu_s } => {
            sandbox::worker::run(cpu_s).context("image worker")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn serve_command(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let networks = (!args.allow_network.is_empty()).then(|| args.allow_network.join(","));
    let config = args.config.load([
        ("server.listen", args.listen),
        ("server.tls_cert", args.tls_cert),
        ("server.tls_key", args.tls_key),
        ("network.allow", networks),
    ])?;
    crate::runtime::telemetry::start(&config.log);
    runtime()?.block_on(serve::run(&config))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")
}
