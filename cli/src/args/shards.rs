//! Flags of a load that several machines make together.

use std::path::PathBuf;

use clap::Args as ClapArgs;

/// Which part of the load this process makes, and when it begins.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct ShardArgs {
    /// Make this part of the load, such as 0/4; auto: as Slurm's or Kubernetes' variables say.
    #[arg(long, value_name = "INDEX/COUNT", conflicts_with = "resume")]
    pub shard: Option<String>,
    /// Begin at this time (RFC 3339, such as 2030-01-31T12:00:00Z); exit code 75 if it has passed.
    #[arg(
        long,
        value_name = "TIME",
        requires = "shard",
        conflicts_with = "rendezvous"
    )]
    pub start_at: Option<String>,
    /// Begin each cell when all shards have come to this folder, which all of them share.
    #[arg(long, value_name = "DIR", requires = "shard")]
    pub rendezvous: Option<PathBuf>,
    /// Longest wait for the other shards there.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "rendezvous",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub rendezvous_limit: u64,
}

/// A server for others.
#[derive(Debug, Clone, ClapArgs)]
pub struct ServeArgs {
    /// The config file (YAML), with one backend that its plugin can start.
    pub config: PathBuf,
    /// Address that the server listens on, by which others reach it.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: String,
    /// Write the server's URL to this file once it is ready.
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Create the folder of its logs and facts here, instead of where the config says.
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// A job for Slurm.
#[derive(Debug, Clone, ClapArgs)]
pub struct SlurmArgs {
    /// The config file (YAML), on a file system that all nodes share.
    pub config: PathBuf,
    /// Number of shards.
    #[arg(long, short = 'n', value_name = "N")]
    pub shards: u32,
    /// Folder for all files of the job, on a file system that all nodes share.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub folder: PathBuf,
    /// Name of the job; default: that of the config.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// One more option of sbatch, such as --sbatch=--time=30 (repeatable).
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    pub sbatch: Vec<String>,
    /// Start the server, once, on a node of its own: by the plugin's plan, or by this command line, where the config has its host as ${INFERBENCH_SERVER_HOST:-localhost}.
    #[arg(long, value_name = "COMMAND", num_args = 0..=1, default_missing_value = "")]
    pub server: Option<String>,
    /// One more option of sbatch for the server, such as --server-sbatch=--gres=gpu:8 (repeatable).
    #[arg(
        long,
        value_name = "OPTION",
        allow_hyphen_values = true,
        requires = "server"
    )]
    pub server_sbatch: Vec<String>,
    /// Longest wait of a shard for the others.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub rendezvous_limit: u64,
    /// Submit the script instead of printing it.
    #[arg(long)]
    pub submit: bool,
}

/// Jobs for Kubernetes.
#[derive(Debug, Clone, ClapArgs)]
pub struct KubernetesArgs {
    /// The config file (YAML).
    pub config: PathBuf,
    /// Number of shards.
    #[arg(long, short = 'n', value_name = "N")]
    pub shards: u32,
    /// Container image with inferbench and its plugins.
    #[arg(long, value_name = "IMAGE")]
    pub image: String,
    /// Persistent volume claim that all pods can write to (ReadWriteMany).
    #[arg(long, value_name = "NAME")]
    pub claim: String,
    /// Name of the jobs; default: that of the config.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// CPU of each shard.
    #[arg(long, value_name = "CPU", default_value = "2")]
    pub cpu: String,
    /// Memory of each shard.
    #[arg(long, value_name = "SIZE", default_value = "2Gi")]
    pub memory: String,
    /// Longest wait of a shard for the others.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub rendezvous_limit: u64,
}
