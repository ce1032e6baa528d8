//! The claims about a person that a sign-in reads (OpenID Connect Core 1.0, 5.1), from the id token and from the userinfo
//! endpoint.

use serde_json::{Map, Value};

/// Claims as the provider sent them. A text that is empty or has another type counts as absent.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Claims {
    pub email: Option<String>,
    /// `None` if the provider does not say.
    pub email_verified: Option<bool>,
    pub name: Option<String>,
}

impl Claims {
    pub(super) fn new(claims: &Map<String, Value>) -> Self {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        Self {
            email: text("email").map(str::to_owned),
            email_verified: claims.get("email_verified").filter(|value| !value.is_null()).map(is_true),
            name: text("name").map(str::to_owned),
        }
    }

    /// Whether the provider says that the email address is verified.
    pub(super) fn has_verified_email(&self) -> bool {
        self.email.is_some() && self.email_verified == Some(true)
    }

    /// Whether a claim is absent.
    pub(super) fn is_incomplete(&self) -> bool {
        self.email.is_none() || self.email_verified.is_none() || self.name.is_none()
    }

    /// Takes absent claims from `other`. `email_verified` belongs to the address beside it, and one `false` outweighs every
    /// `true`.
    pub(super) fn completed_by(self, other: Self) -> Self {
        let is_same_email = match (&self.email, &other.email) {
            (Some(own), Some(other)) => own.eq_ignore_ascii_case(other),
            (None, _) | (_, None) => true,
        };
        let verified = [self.email_verified, other.email_verified.filter(|_| is_same_email)];
        Self {
            email: self.email.or(other.email),
            email_verified: verified.into_iter().flatten().reduce(|own, other| own && other),
            name: self.name.or(other.name),
        }
    }
}

/// Providers also send booleans as texts and numbers. Everything that is not clearly true is false.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::String(text) => text.eq_ignore_ascii_case("true") || text == "1",
        Value::Number(number) => number.as_u64() == Some(1),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: &Value) -> Claims {
        Claims::new(value.as_object().unwrap())
    }

    #[test]
    fn boolean_is_read_from_other_types() {
        let verified = |value: Value| claims(&json!({ "email_verified": value })).email_verified;
        for value in [json!(true), json!("true"), json!("True"), json!(1), json!("1")] {
            assert_eq!(verified(value.clone()), Some(true), "{value}");
        }
        for value in [
            json!(false),
            json!("false"),
            json!(""),
            json!("yes"),
            json!(0),
            json!(1.5),
            json!(-1),
            json!([true]),
            json!({}),
        ] {
            assert_eq!(verified(value.clone()), Some(false), "{value}");
        }
        assert_eq!((verified(json!(null)), claims(&json!({})).email_verified), (None, None));
    }

    #[test]
    fn text_of_another_type_is_absent() {
        for value in [json!(null), json!(""), json!(7), json!(["ada@example.com"]), json!({"value": "Ada"})] {
            assert!(claims(&json!({ "email": value, "name": value })) == Claims::default(), "{value}");
        }
    }

    #[test]
    fn email_verified_is_combined_for_the_same_address_only() {
        let combined = |own: Value, other: Value| claims(&own).completed_by(claims(&other)).email_verified;
        let (own, same) = (json!({ "email": "ada@example.com" }), json!("Ada@Example.com"));
        for (other, expected) in [
            (json!({ "email": same, "email_verified": true }), Some(true)),
            (json!({ "email_verified": true }), Some(true)),
            (json!({ "email": same, "email_verified": false }), Some(false)),
            (json!({ "email": "eve@example.com", "email_verified": true }), None),
            (json!({ "email": same }), None),
        ] {
            assert_eq!(combined(own.clone(), other.clone()), expected, "{other}");
        }
        // An address from the userinfo endpoint does not override what the id token says.
        let unverified = json!({ "email_verified": false });
        assert_eq!(combined(unverified.clone(), json!({ "email": same, "email_verified": true })), Some(false));
        let verified = json!({ "email": "ada@example.com", "email_verified": true });
        assert_eq!(combined(verified.clone(), unverified), Some(false));
        assert_eq!(combined(verified, json!({ "email": "eve@example.com", "email_verified": false })), Some(true));
    }
}
