// A local OpenID provider for signing in to a running server: npm's certified `oidc-provider` with its pages for login
// and consent.
//
//   npm install && node provider.mjs
//
// It prints the settings of the server. Any login and password is accepted. The login is the `sub`, and also the email
// address if it contains an @. A login that begins with "unverified" has an unverified address.
// Settings, all optional: PORT (9010), CLIENT_ID, CLIENT_SECRET (random at each start), REDIRECT_URI.
//
// Keys, sessions and consents are in memory only.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { Provider } from 'oidc-provider';

const random = () => randomBytes(24).toString('base64url');
const {
  PORT = '9010',
  CLIENT_ID = 'doable',
  CLIENT_SECRET = random(),
  REDIRECT_URI = 'http://127.0.0.1:8000/auth/google/callback',
} = process.env;

const claimsOf = (login) => ({
  sub: login,
  email: login.includes('@') ? login : `${login}@example.com`,
  email_verified: !login.startsWith('unverified'),
  name: login.split('@')[0],
});

const key = (type, options, alg) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
  alg,
  use: 'sig',
});

const issuer = `http://127.0.0.1:${PORT}`;
const provider = new Provider(issuer, {
  clients: [{ client_id: CLIENT_ID, client_secret: CLIENT_SECRET, redirect_uris: [REDIRECT_URI] }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  // Like Google: the claims of the scopes are in the id token, not only in the userinfo response.
  conformIdTokenClaims: false,
  cookies: { keys: [random()] },
  features: { devInteractions: { enabled: true } },
  findAccount: (_, login) => ({ accountId: login, claims: () => claimsOf(login) }),
  jwks: { keys: [key('rsa', { modulusLength: 2048 }, 'RS256'), key('ec', { namedCurve: 'P-256' }, 'ES256')] },
  pkce: { required: () => true },
});

provider.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`The provider listens on ${issuer}. Start the server with`);
  console.log(`  GOOGLE_ISSUER_URL=${issuer} GOOGLE_CLIENT_ID=${CLIENT_ID} GOOGLE_CLIENT_SECRET=${CLIENT_SECRET}`);
  console.log(`on the port of ${REDIRECT_URI}.`);
});
