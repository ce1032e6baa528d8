//! `/api/{user_id}/usage`: what the assistant's models took.
#![expect(unused_qualifications, reason = "`utoipa::path` qualifies the parameters' types")]

use actix_web::HttpResponse;
use actix_web::web::{Data, ReqData};
use chrono::NaiveDate;
use domain::chat::ChatService;
use domain::conversation::DailyUsage;
use domain::principal::Principal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::error::ApiError;
use crate::query::{Limit, Query};

/// How far back one can look, in days.
const MOST_DAYS: u16 = 366;
/// How far back one looks unless the request says otherwise, in days.
const DAYS: u16 = 30;

/// How far back.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    /// So many days, today (UTC) included.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 366, default = 30)]
    days: Option<Limit<MOST_DAYS>>,
}

/// What one model took on one day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DailyUsage)]
pub(crate) struct UsageOfDayBody {
    /// The day (UTC) on which the turns began.
    day: NaiveDate,
    /// The model's provider.
    #[schema(example = "cohere")]
    provider: String,
    /// The model.
    #[schema(example = "command-a-03-2025")]
    model: String,
    /// How many turns have ended.
    turns: u64,
    /// Tokens that the model read.
    tokens_in: u64,
    /// Tokens that the model wrote.
    tokens_out: u64,
}

impl From<DailyUsage> for UsageOfDayBody {
    fn from(DailyUsage { day, provider, model, turns, usage }: DailyUsage) -> Self {
        Self { day, provider, model, turns, tokens_in: usage.tokens_in, tokens_out: usage.tokens_out }
    }
}

/// What the assistant took, per day and model, newest day first.
#[utoipa::path(
    get, path = "/api/{user_id}/usage", tag = "Chat", operation_id = "usage", params(UsageQuery),
    responses((status = 200, description = "Days and models without a turn are left out.", body = [UsageOfDayBody])),
)]
pub(crate) async fn list(
    chat: Data<ChatService>,
    who: ReqData<Principal>,
    Query(query): Query<UsageQuery>,
) -> Result<HttpResponse, ApiError> {
    let usage = chat.usage(&who, query.days.map_or(DAYS, Limit::get)).await?;
    Ok(HttpResponse::Ok().json(usage.into_iter().map(UsageOfDayBody::from).collect::<Vec<_>>()))
}
