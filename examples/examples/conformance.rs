//! Checks whether a server keeps the HTTP contract: `cargo run --example conformance -- http://127.0.0.1:3000/v1 /notes`.
//!
//! Prints what passed, failed and is not offered, and each failure as `curl` commands with their answers. Ends with 0 when
//! nothing that is required failed, with 1 when something did, and with 2 when the check could not begin. Without a base URL
//! it checks the reference server of these examples.

use std::process::ExitCode;

use clap::Parser;
use sync::testing::contract::{Contract, ContractError};
use sync_examples::server::{Config, Server};

/// Checks whether a server keeps the HTTP contract.
#[derive(Parser)]
struct Arguments {
    /// The base URL, such as `http://127.0.0.1:3000/v1`; without one, the reference server is checked.
    base_url: Option<String>,
    /// The collection below it.
    #[arg(default_value = "/notes")]
    endpoint: String,
    /// Sent as `Authorization: Bearer …`.
    #[arg(long)]
    token: Option<String>,
    /// The member that carries a record's id.
    #[arg(long, default_value = "id")]
    id: String,
    /// What a record looks like besides its id, as a JSON object with at least one text, which is edited; better with another member, too.
    #[arg(long)]
    record: Option<String>,
    /// Which member of the record is edited. Default: its first text, by name, that is no time such as `createdAt`.
    #[arg(long, requires = "record")]
    edit: Option<String>,
    /// The member that tells when a record was changed, for a server that gives no cursors. Default: `updatedAt` or `updated_at`.
    #[arg(long)]
    updated_at: Option<String>,
    /// How many write at once while the list of changes is read.
    #[arg(long, default_value_t = 8)]
    writers: usize,
}

fn contract(arguments: &Arguments, base_url: &str) -> Result<Contract, ContractError> {
    let mut contract =
        Contract::new(base_url, &arguments.endpoint)?.id_member(&arguments.id).writers(arguments.writers);
    if let Some(token) = &arguments.token {
        contract = contract.bearer(token);
    }
    if let Some(member) = &arguments.updated_at {
        contract = contract.updated_at_member(member);
    }
    match (&arguments.record, &arguments.edit) {
        (Some(record), Some(member)) => contract = contract.template_edited(record, member)?,
        (Some(record), None) => contract = contract.template(record)?,
        (None, _) => {}
    }
    Ok(contract)
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let reference = match &arguments.base_url {
        Some(_) => None,
        None => match Server::start(Config::new([&*arguments.endpoint])) {
            Ok(server) => Some(server),
            Err(error) => {
                eprintln!("the reference server does not start: {error}");
                return ExitCode::from(2);
            }
        },
    };
    let url = arguments.base_url.clone().or(reference.as_ref().map(Server::base_url)).unwrap_or_default();
    let contract = match contract(&arguments, &url) {
        Ok(contract) => contract,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    println!("{url}{}\n", arguments.endpoint);
    let report = contract.check().await;
    println!("{report}");
    if report.is_kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
