// A local OpenID provider for signing in to a running server: npm's certified `oidc-provider` with its pages for login
// and consent.
//
//   npm install && node provider.mjs
//
// It prints the settings of the server. Any login and password is accepted. The login is the `sub`, and also the email
// address if it contains an @. A login that begins with "unverified" has an unverified address, and of one that begins with
// "silent" the provider does not say.
// Settings, all optional: PORT (9010), CLIENT_ID, CLIENT_SECRET (random at each start), REDIRECT_URI, and CLAIMS, where the
// claims of the scopes are: "id_token" (like Google, in the userinfo response too) or "userinfo" alone (the provider's
// default).
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
  CLAIMS = 'id_token',
} = process.env;

const claimsOf = (login) => ({
  sub: login,
  email: login.includes('@') ? login : `${login}@example.com`,
  email_verified: login.startsWith('silent') ? undefined : !login.startsWith('unverified'),
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
  conformIdTokenClaims: CLAIMS === 'userinfo',
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
