//! Changes that PostgreSQL ends for another one's sake.

use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use test_support::Postgres;

use crate::support::*;

/// What administrators change.
const TABLES: [&str; 7] = [
    "credentials",
    "projects",
    "releases",
    "runner_specs",
    "runners",
    "specs",
    "tokens",
];

/// A database in which the first change of a table meets another one, and later ones do not.
struct Contested {
    runtime: tokio::runtime::Runtime,
    connection: PgConnection,
}

impl Contested {
    fn new(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let connection = runtime.block_on(PgConnection::connect(url)).unwrap();
        let mut contested = Self {
            runtime,
            connection,
        };
        // What comes of a sequence is not taken back with its transaction.
        contested.run("CREATE SEQUENCE changes".to_owned());
        contested.run(
            "CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF nextval('changes') = 1 THEN \
             RAISE EXCEPTION 'they met' USING ERRCODE = 'serialization_failure'; \
             END IF; RETURN NULL; END $$"
                .to_owned(),
        );
        for table in TABLES {
            contested.run(format!(
                "CREATE TRIGGER meet BEFORE INSERT OR UPDATE OR DELETE ON {table} \
                 FOR EACH STATEMENT EXECUTE FUNCTION meet()"
            ));
        }
        contested
    }

    fn run(&mut self, sql: String) {
        let query = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        let done = self.runtime.block_on(query.execute(&mut self.connection));
        done.unwrap();
    }

    /// The next change is the first one again.
    fn begin_anew(&mut self) {
        self.run("SELECT setval('changes', 1, false)".to_owned());
    }

    /// Changes that were begun since then.
    fn changes(&mut self) -> i64 {
        let query = sqlx::query_scalar("SELECT last_value FROM changes");
        let count = self.runtime.block_on(query.fetch_one(&mut self.connection));
        count.unwrap()
    }
}

#[test]
fn a_conflict_does_not_reach_those_who_change_something() {
    let Some(postgres) = Postgres::start().unwrap() else {
        return;
    };
    let site = Site::with(Setup {
        database: Some(postgres.url()),
        ..Setup::default()
    });
    let mut contested = Contested::new(&postgres.url());
    let mut changes = |method: &str, path: &str, body: &serde_json::Value| {
        contested.begin_anew();
        let (status, text) = site.api.send(method, path, Some(&body.to_string()));
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {text}"
        );
        assert!(
            contested.changes() > 1,
            "{method} {path}: they did not meet"
        );
        serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default()
    };
    let nothing = json!(null);
    let quota = json!({"queued": 1, "active": 1, "priority": 1});
    let spec = json!({"slug": "t", "os": "linux", "architecture": "x86_64", "cpu": 1, "memory": 1,
        "disk": 1});
    let credential = json!({"registry": "https://r.example", "token": "secret"});
    for (method, path, body) in [
        ("POST", "/v0/projects", &json!({"slug": "q"})),
        ("PUT", "/v0/projects/q/quota", &quota),
        ("POST", "/v0/specs", &spec),
        ("POST", "/v0/runners", &json!({"slug": "r", "specs": ["s"]})),
        ("PUT", "/v0/runners/r/specs/t", &nothing),
        ("DELETE", "/v0/runners/r/specs/t", &nothing),
        ("POST", "/v0/runners/r/key", &nothing),
        ("POST", "/v0/runners/r/archive", &nothing),
        ("POST", "/v0/specs/t/archive", &nothing),
        ("PUT", "/v0/credentials", &credential),
        (
            "DELETE",
            "/v0/credentials?registry=https://r.example",
            &nothing,
        ),
    ] {
        changes(method, path, body);
    }
    let token = json!({"name": "n", "role": "viewer"});
    let token = changes("POST", "/v0/tokens", &token)["token"]["id"].clone();
    let path = format!("/v0/tokens/{}", token.as_str().unwrap());
    changes("DELETE", &path, &nothing);
    let release = json!({"version": "1.0.0", "channel": "stable", "os": "linux",
        "architecture": "x86_64", "url": "https://releases.example/1",
        "checksum": "0a".repeat(32)});
    let release = changes("POST", "/v0/releases", &release)["id"].clone();
    let path = format!("/v0/releases/{}", release.as_str().unwrap());
    changes("DELETE", &path, &nothing);
    // Nothing was done twice.
    let runner = site.api.get("/v0/runners/r");
    assert_eq!(runner["specs"].as_array().unwrap().len(), 1, "{runner}");
    // Whoever looks after the server sees that they met, and that nothing was lost.
    let numbers = Numbers::of(&site.api);
    assert!(numbers.count("bencher_database_conflicts_total", &[]) >= 15);
    let errors = numbers.count("bencher_database_errors_total", &[("operation", "write")]);
    assert_eq!(errors, 0);
}
