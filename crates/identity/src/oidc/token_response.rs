//! The response of the token endpoint (RFC 6749, 5.1; OpenID Connect Core 1.0, 3.1.3.3). Only the two tokens are read:
//! providers differ in the types of the other fields, such as `expires_in`.

use openidconnect::core::{
    CoreGenderClaim, CoreIdToken, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreTokenType,
};
use openidconnect::{AccessToken, EmptyAdditionalClaims, OAuth2TokenResponse, RefreshToken, Scope};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct TokenResponse {
    pub access_token: AccessToken,
    #[serde(default, deserialize_with = "secret", skip_serializing)]
    pub id_token: Option<SecretString>,
}

fn secret<'de, D: Deserializer<'de>>(input: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(input)?.map(SecretString::from))
}

impl OAuth2TokenResponse for TokenResponse {
    type TokenType = CoreTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &CoreTokenType {
        &CoreTokenType::Bearer
    }

    fn expires_in(&self) -> Option<std::time::Duration> {
        None
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        None
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

type Jwe = CoreJweContentEncryptionAlgorithm;

impl openidconnect::TokenResponse<EmptyAdditionalClaims, CoreGenderClaim, Jwe, CoreJwsSigningAlgorithm>
    for TokenResponse
{
    /// [`super::id_token`] reads the text instead, because the library's type rejects claims of other types.
    fn id_token(&self) -> Option<&CoreIdToken> {
        None
    }
}
