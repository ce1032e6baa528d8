//! An id token of which only the claims that are read are parsed.
//!
//! `openidconnect` rejects a token if one of the thirty claims that it knows has an unexpected type, such as `amr`. It
//! therefore gets a copy of the token with the claims that it verifies. The signature is verified over the original.

use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, URL_SAFE_NO_PAD};
use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier};
use openidconnect::{ClaimsVerificationError, JsonWebKey as _, SignatureVerificationError};
use serde::de::Error as _;
use serde_json::{Error, Map, Value};

use super::claims::Claims;
use super::provider_metadata::ProviderMetadata;

/// The claims that `openidconnect` and [`super::id_token`] verify.
const VERIFIED: [&str; 7] = ["iss", "sub", "aud", "exp", "iat", "nonce", "azp"];
/// Some encoders leave bits after the last byte.
const BASE64: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

pub(super) struct ReducedToken {
    /// Contains the claims in [`VERIFIED`]. Its signature does not match them.
    copy: CoreIdToken,
    /// Header and payload of the original, encoded.
    signed: String,
    signature: Vec<u8>,
    claims: Claims,
}

impl FromStr for ReducedToken {
    type Err = Error;

    fn from_str(token: &str) -> Result<Self, Error> {
        let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
            return Err(Error::custom("not three parts"));
        };
        let decode = |part: &str| BASE64.decode(part).map_err(Error::custom);
        let mut all: Map<String, Value> = serde_json::from_slice(&decode(payload)?)?;
        let claims = Claims::new(&all);
        all.retain(|name, _| VERIFIED.contains(&name.as_str()));
        for time in ["exp", "iat"] {
            let seconds = all.get(time).and_then(Value::as_str).and_then(|text| text.parse::<i64>().ok());
            all.extend(seconds.map(|seconds| (time.to_owned(), seconds.into())));
        }
        let reduced = URL_SAFE_NO_PAD.encode(Value::Object(all).to_string());
        Ok(Self {
            copy: format!("{header}.{reduced}.{signature}").parse()?,
            signed: format!("{header}.{payload}"),
            signature: decode(signature)?,
            claims,
        })
    }
}

impl ReducedToken {
    /// Verifies the signature with the only key of the provider that matches the header. Returns the token without the
    /// claims about the person, whose signature must not be verified again, and these claims.
    pub(super) fn verify_signature(
        &self,
        verifier: &CoreIdTokenVerifier<'_>,
        metadata: &ProviderMetadata,
    ) -> Result<(&CoreIdToken, &Claims), ClaimsVerificationError> {
        self.check_signature(verifier, metadata).map_err(ClaimsVerificationError::SignatureVerification)?;
        Ok((&self.copy, &self.claims))
    }

    fn check_signature(
        &self,
        verifier: &CoreIdTokenVerifier<'_>,
        metadata: &ProviderMetadata,
    ) -> Result<(), SignatureVerificationError> {
        let algorithm = self.copy.signing_alg()?;
        if !metadata.algorithms.contains(algorithm) {
            return Err(SignatureVerificationError::DisallowedAlg(format!("{algorithm:?}")));
        }
        let key = self.copy.signing_key(verifier)?;
        key.verify_signature(algorithm, self.signed.as_bytes(), &self.signature)
    }
}
