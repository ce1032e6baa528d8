//! `/api/{user_id}/usage`: the token usage of the assistant.

use actix_web::HttpResponse;
use actix_web::web::{Data, ReqData};
use chrono::NaiveDate;
use domain::chat::ChatService;
use domain::conversation::DailyUsage;
use domain::principal::Principal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::extract::path::UserPath;
use crate::extract::query::{Limit, Query};
use crate::problem::ApiError;

/// Maximum period, in days.
const MAX_DAYS: u16 = 366;
/// Default period, in days.
const DEFAULT_DAYS: u16 = 30;

/// The period of the usage.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    /// Number of days, today (UTC) included.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 366, default = 30)]
    days: Option<Limit<MAX_DAYS>>,
}

/// The token usage of one model on one day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageOfDay)]
pub(crate) struct UsageOfDayBody {
    /// The day (UTC) on which the turns started.
    day: NaiveDate,
    /// The provider of the model.
    #[schema(example = "cohere")]
    provider: String,
    /// The name of the model.
    #[schema(example = "command-a-03-2025")]
    model: String,
    /// The number of finished turns.
    turns: u64,
    /// Tokens read by the model.
    tokens_in: u64,
    /// Tokens written by the model.
    tokens_out: u64,
}

impl From<DailyUsage> for UsageOfDayBody {
    fn from(DailyUsage { day, provider, model, turns, usage }: DailyUsage) -> Self {
        Self { day, provider, model, turns, tokens_in: usage.tokens_in, tokens_out: usage.tokens_out }
    }
}

/// Get the token usage of the assistant per day and model, newest day first.
#[utoipa::path(
    get, path = "/api/{user_id}/usage", tag = "Chat", operation_id = "usage", params(UserPath, UsageQuery),
    responses((status = 200, description = "The usage, without days and models that have no turns.", body = [UsageOfDayBody])),
)]
pub(crate) async fn list(
    chat: Data<ChatService>,
    principal: ReqData<Principal>,
    Query(query): Query<UsageQuery>,
) -> Result<HttpResponse, ApiError> {
    let usage = chat.usage(&principal, query.days.map_or(DEFAULT_DAYS, Limit::get)).await?;
    Ok(HttpResponse::Ok().json(usage.into_iter().map(UsageOfDayBody::from).collect::<Vec<_>>()))
}
