//! [`Refusal`]: every answer that is not a success, as `{"detail": …}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rusqlite::ErrorCode;

use crate::paper::PaperError;
use crate::store::StoreError;
use crate::tools::UnknownTool;

#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    detail: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    /// The request was understood as HTTP and means nothing here.
    pub(crate) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(serde_json::json!({ "detail": self.detail }))).into_response()
    }
}

impl From<UnknownTool> for Refusal {
    fn from(unknown: UnknownTool) -> Self {
        Self::new(StatusCode::NOT_FOUND, unknown.to_string())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let status = match &error {
            StoreError::Interrupted => StatusCode::SERVICE_UNAVAILABLE,
            StoreError::Sql(cause) => match cause.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StatusCode::SERVICE_UNAVAILABLE,
                Some(ErrorCode::DiskFull) => StatusCode::INSUFFICIENT_STORAGE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
        };
        Self::new(status, error.to_string())
    }
}

impl From<PaperError> for Refusal {
    fn from(error: PaperError) -> Self {
        let status = match error {
            PaperError::Store(error) => return error.into(),
            PaperError::UnknownPosition { .. } => StatusCode::NOT_FOUND,
            PaperError::AlreadyClosed { .. } | PaperError::TooLittleCash { .. } | PaperError::TooMuchCash => {
                StatusCode::CONFLICT
            }
        };
        Self::new(status, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_errors_have_the_status_that_says_whose_fault_it_is() {
        let sql =
            |code| StoreError::Sql(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
        for (error, status) in [
            (sql(rusqlite::ffi::SQLITE_BUSY), 503),
            (sql(rusqlite::ffi::SQLITE_FULL), 507),
            (sql(rusqlite::ffi::SQLITE_CORRUPT), 500),
            (StoreError::Interrupted, 503),
        ] {
            let name = error.to_string();
            assert_eq!(Refusal::from(PaperError::from(error)).status.as_u16(), status, "{name}");
        }
    }
}
