//! A mocked token issuer.

use domain::account::MockTokenIssuer;
use domain::secret::{NewSecret, SecretHash, SecretKind};

pub(crate) fn mock_tokens(tokens: &mut MockTokenIssuer) {
    tokens.expect_issue().returning(|_| Ok("access".into()));
    tokens.expect_new_secret().returning(|kind| {
        let text = if kind == SecretKind::RefreshToken { "refresh" } else { "secret" };
        Ok(NewSecret { text: text.into(), hash: SecretHash::new([1; 32]) })
    });
    tokens
        .expect_next_refresh_token()
        .returning(|_| Ok(NewSecret { text: "refresh".into(), hash: SecretHash::new([1; 32]) }));
    tokens.expect_hash_secret().returning(|kind, text| {
        let known = kind == SecretKind::RefreshToken && ["refresh", "spent", "expired"].contains(&text);
        known.then(|| SecretHash::new([2; 32]))
    });
}
