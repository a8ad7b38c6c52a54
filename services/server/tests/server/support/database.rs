//! What a test does to a server's database behind its back.

use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};

use super::Site;

impl Site {
    /// Executes statements in the server's database.
    pub(crate) fn execute(&self, statements: &[&str]) {
        install_default_drivers();
        let file = format!("sqlite://{}", self.path("server.sqlite").display());
        let url = self.setup.database.clone().unwrap_or(file);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut connection = AnyConnection::connect(&url).await.unwrap();
            for statement in statements {
                let statement = AssertSqlSafe((*statement).to_owned());
                sqlx::query(statement)
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
            connection.close().await.unwrap();
        });
    }
}
