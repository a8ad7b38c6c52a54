//! What a test does to a server's database behind its back.

use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};

use super::Site;

impl Site {
    /// Executes statements in the server's database.
    pub(crate) fn execute(&self, statements: &[&str]) {
        self.in_database(statements, || ());
    }

    /// Does something while nobody else comes to a table of PostgreSQL.
    pub(crate) fn while_locked<T>(&self, table: &str, work: impl FnOnce() -> T) -> T {
        let lock = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        self.in_database(&["BEGIN", &lock], work)
    }

    /// Does something after statements, in whose transaction it is if they begin one and do not end it.
    fn in_database<T>(&self, statements: &[&str], work: impl FnOnce() -> T) -> T {
        install_default_drivers();
        let file = format!("sqlite://{}", self.path("server.sqlite").display());
        let url = self.setup.database.clone().unwrap_or(file);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let connection = runtime.block_on(async {
            let mut connection = AnyConnection::connect(&url).await.unwrap();
            for statement in statements {
                let statement = AssertSqlSafe((*statement).to_owned());
                sqlx::query(statement)
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
            connection
        });
        let done = work();
        runtime.block_on(connection.close()).unwrap();
        done
    }
}
