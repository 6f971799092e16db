// A certified OpenID provider on loopback for the tests: any password, groups by login name.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const GROUPS = { ana: ["analysts"], root: ["admins", "analysts"], eve: [] };
const [, , redirectUri, clientSecret] = process.argv;

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = { ...privateKey.export({ format: "jwk" }), use: "sig", kid: "test", alg: "RS256" };

const server = createServer((request, response) => handle(request, response));
server.listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  jwks: { keys: [key] },
  cookies: { keys: ["only for tests"] },
  pkce: { required: () => true },
  clients: [
    {
      client_id: "outgate",
      client_secret: clientSecret,
      grant_types: ["authorization_code", "client_credentials"],
      redirect_uris: [redirectUri],
    },
  ],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["groups"] },
  features: {
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_context, resource) => ({
        scope: "use",
        audience: resource,
        accessTokenFormat: "jwt",
        accessTokenTTL: 300,
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
  extraTokenClaims: () => ({ groups: ["analysts"] }),
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      email: `${id}@example.com`,
      email_verified: id !== "eve",
      groups: GROUPS[id] ?? [],
    }),
  }),
});
const handle = provider.callback();
console.log(issuer);
