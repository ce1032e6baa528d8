// An OpenID provider on this machine, to sign in to a running server with: npm's `oidc-provider`, which is certified, with
// its own pages for logging in and for consent.
//
//   npm install && node provider.mjs
//
// It prints what a server has to be started with. Whoever logs in exists, with any password: the login is the `sub`, and
// also the address if there is an @ in it. A login that begins with "unverified" has an address that is not verified.
// Settings, all optional: PORT (9010), CLIENT_ID, CLIENT_SECRET (a new one at every start), REDIRECT_URI.
//
// Nothing is kept: keys, sessions and consents are gone when it ends.

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
  // As Google does: the id token says what the scopes ask for, not only the userinfo endpoint.
  conformIdTokenClaims: false,
  cookies: { keys: [random()] },
  features: { devInteractions: { enabled: true } },
  findAccount: (_, login) => ({ accountId: login, claims: () => claimsOf(login) }),
  jwks: { keys: [key('rsa', { modulusLength: 2048 }, 'RS256'), key('ec', { namedCurve: 'P-256' }, 'ES256')] },
  pkce: { required: () => true },
});

provider.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`A provider listens on ${issuer}. Start a server with`);
  console.log(`  GOOGLE_ISSUER_URL=${issuer} GOOGLE_CLIENT_ID=${CLIENT_ID} GOOGLE_CLIENT_SECRET=${CLIENT_SECRET}`);
  console.log(`on the port that ${REDIRECT_URI} names.`);
});
