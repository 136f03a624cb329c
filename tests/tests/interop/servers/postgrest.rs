//! `PostgreSQL` behind a small server that speaks `PostgREST`'s dialect, which cannot be had from the registries: reading,
//! inserting and updating of rows by filters `column=operator.value`, as its documentation describes them.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sync::Dialect;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::postgres::{self, Postgres};
use crate::app::COLLECTIONS;
use crate::backend::Backend;

/// What the dialect's documentation asks the tables for.
const SCHEMA: &str = include_str!("../../../../sync/src/remote/rest/dialect/postgrest.sql");

pub struct Postgrest {
    database: Postgres,
    port: u16,
    task: JoinHandle<()>,
}

impl Drop for Postgrest {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Backend for Postgrest {
    fn dialect() -> Dialect {
        Dialect::postgrest()
    }

    async fn start() -> Self {
        let database = Postgres::start().await;
        let pool = Arc::new(Pool { port: database.port(), idle: Mutex::default() });
        let client = database.connect().await.unwrap();
        client.batch_execute(SCHEMA).await.unwrap();
        for collection in COLLECTIONS {
            let table = identifier(&collection[1..]);
            let table = format!(
                "CREATE TABLE {table} (
                    id text PRIMARY KEY, title text NOT NULL, body text NOT NULL, \"updatedAt\" timestamptz NOT NULL,
                    version bigint NOT NULL, deleted_at timestamptz
                );
                CREATE INDEX ON {table} (version);
                CREATE TRIGGER a_revive BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION revive();
                CREATE TRIGGER b_stamp BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION stamp();"
            );
            client.batch_execute(&table).await.unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let app = Router::new().route("/{table}", axum::routing::any(answer)).with_state(pool);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { database, port, task }
    }

    fn path(&self) -> &'static str {
        ""
    }

    fn port(&self) -> u16 {
        self.port
    }

    async fn restart(&mut self) -> bool {
        self.database.restart().await;
        true
    }
}

/// Connections that are used again.
struct Pool {
    port: u16,
    idle: Mutex<Vec<Client>>,
}

impl Pool {
    async fn client(&self) -> Result<Client, tokio_postgres::Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(client) = idle.filter(|client| !client.is_closed()) {
            return Ok(client);
        }
        postgres::connect(self.port).await
    }

    fn give_back(&self, client: Client) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
    }
}

async fn answer(
    State(pool): State<Arc<Pool>>,
    method: Method,
    Path(table): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let statement = match statement(&method, &table, query.as_deref().unwrap_or_default(), &body) {
        Ok(statement) => statement,
        Err(message) => return problem(StatusCode::BAD_REQUEST, "PGRST100", &message),
    };
    let client = match pool.client().await {
        Ok(client) => client,
        Err(error) => return problem(StatusCode::SERVICE_UNAVAILABLE, "PGRST001", &error.to_string()),
    };
    let text = String::from_utf8_lossy(&body).into_owned();
    let rows = if method == Method::GET {
        client.query(&statement, &[]).await
    } else {
        client.query(&statement, &[&text]).await
    };
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return refusal(&error),
    };
    pool.give_back(client);
    let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let shown = headers
        .get("prefer")
        .is_some_and(|prefer| prefer.to_str().unwrap().contains("return=representation"));
    let status = match (method, shown) {
        (Method::POST, _) => StatusCode::CREATED,
        (Method::PATCH, false) => return StatusCode::NO_CONTENT.into_response(),
        _ => StatusCode::OK,
    };
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], format!("[{}]", rows.join(",")))
        .into_response()
}

/// The SQL of a request. The body is its parameter.
fn statement(method: &Method, table: &str, query: &str, body: &[u8]) -> Result<String, String> {
    let table = identifier(table);
    let (mut filters, mut end) = (Vec::new(), String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "limit" | "offset" => {
                let number: u64 = value.parse().map_err(|_| format!("{name} is no number"))?;
                let _ = write!(end, " {name} {number}");
            }
            "order" => {
                let columns = value.split(',').map(|column| {
                    let (column, direction) = column.split_once('.').unwrap_or((column, "asc"));
                    format!("{} {}", identifier(column), if direction == "desc" { "desc" } else { "asc" })
                });
                end = format!(" order by {}{end}", columns.collect::<Vec<_>>().join(", "));
            }
            column => filters.push(filter(column, &value)?),
        }
    }
    let filters = if filters.is_empty() { "true".to_owned() } else { filters.join(" and ") };
    let columns = || -> Result<Vec<String>, String> {
        let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let row = body.as_array().map_or(Some(&body), |rows| rows.first());
        let row = row.and_then(Value::as_object).ok_or("expected an object or a list of objects")?;
        Ok(row.keys().map(|key| identifier(key)).collect())
    };
    Ok(match *method {
        Method::GET => format!("select row_to_json(t)::text from (select * from {table} where {filters}{end}) t"),
        Method::POST => {
            let columns = columns()?.join(", ");
            let list = if body.trim_ascii_start().starts_with(b"[") { "$1::text::json" } else { "json_build_array($1::text::json)" };
            format!(
                "insert into {table} as t ({columns}) select {columns} from json_populate_recordset(null::{table}, {list}) returning row_to_json(t)::text"
            )
        }
        Method::PATCH => {
            let set = columns()?.into_iter().map(|column| format!("{column} = new.{column}"));
            let set = set.collect::<Vec<_>>().join(", ");
            let filters = filters.replace("where.", "t.");
            format!(
                "update {table} as t set {set} from json_populate_record(null::{table}, $1::text::json) as new where {filters} returning row_to_json(t)::text"
            )
        }
        _ => return Err("expected GET, POST or PATCH".to_owned()),
    }
    .replace("where.", ""))
}

/// `eq.5` of the column `version` as SQL; its table is written as `where`.
fn filter(column: &str, value: &str) -> Result<String, String> {
    let (operator, value) = value.split_once('.').ok_or_else(|| format!("`{value}` is no filter"))?;
    let sql = match operator {
        "eq" => "=",
        "neq" => "<>",
        "gt" => ">",
        "gte" => ">=",
        "lt" => "<",
        "lte" => "<=",
        "is" if value == "null" => return Ok(format!("where.{} is null", identifier(column))),
        _ => return Err(format!("`{operator}` is no operator")),
    };
    Ok(format!("where.{} {sql} '{}'", identifier(column), value.replace('\'', "''")))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn refusal(error: &tokio_postgres::Error) -> Response {
    let Some(told) = error.as_db_error() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "PGRST001", &error.to_string());
    };
    let status = match told.code() {
        &SqlState::UNIQUE_VIOLATION | &SqlState::FOREIGN_KEY_VIOLATION => StatusCode::CONFLICT,
        &SqlState::UNDEFINED_TABLE => StatusCode::NOT_FOUND,
        code if code.code().starts_with("57P") => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    problem(status, told.code().code(), told.message())
}

fn problem(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "code": code, "message": message, "details": null, "hint": null });
    (status, axum::Json(body)).into_response()
}
