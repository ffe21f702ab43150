//! The client for programs without a runtime.

use crate::client::ClientError;

/// Waits for an answer: `wait(client.stats())`. It must not be called from within a runtime.
pub fn wait<T>(asked: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(ClientError::Runtime)?.block_on(asked)
}
