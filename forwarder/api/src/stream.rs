//! A streaming answer of a running weir. Invariant: dropping it closes the connection, which ends the
//! session there.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::{Bytes, Incoming};

use crate::client::{Client, ClientError, DEADLINE, Driver, WATCH_ID};

/// Bounds the wait for a connection whose end the other side does not notice.
const END_DEADLINE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Stream {
    client: Client,
    route: &'static str,
    id: Option<String>,
    body: Incoming,
    _connection: Driver,
}

impl Stream {
    pub(crate) async fn open(
        client: &Client,
        route: &'static str,
        query: &str,
    ) -> Result<Self, ClientError> {
        let request = Request::get(format!("{route}?{query}"));
        let (response, connection) = client.look(request, DEADLINE).await?;
        let id = response.headers().get(WATCH_ID).and_then(|id| id.to_str().ok());
        Ok(Self {
            client: client.clone(),
            route,
            id: id.map(str::to_owned),
            body: response.into_body(),
            _connection: connection,
        })
    }

    /// The next part; `None` at the end. It may be dropped half-way without losing anything.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        let broken =
            |error: hyper::Error| self.client.garbled(format!("the answer broke off: {error}"));
        let frame = self.body.frame().await.transpose().map_err(broken)?;
        // What is no data are trailers, and weir sends none.
        Ok(frame.map(|frame| frame.into_data().unwrap_or_default()))
    }

    /// Ends the session on the other side; the remaining parts still arrive.
    pub async fn finish(&self) -> Result<(), ClientError> {
        let id = self.id.as_deref().map(|id| format!("?id={id}")).unwrap_or_default();
        let request = Request::delete(format!("{}{id}", self.route));
        self.client.look(request, END_DEADLINE).await.map(drop)
    }
}
