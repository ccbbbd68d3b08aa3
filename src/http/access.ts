/**
 * Who may look: the token in its forms, the Host header, and requests that another site's page has
 * sent.
 *
 * @module
 */

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { type Answer, type HttpRequest, plain } from "./answer.ts";
import { clientAddressOf } from "./client-address.ts";
import { Guesses } from "./guesses.ts";
import { isForLoopback } from "./host.ts";

/** How long a login lasts, in seconds: 30 days. */
const LOGIN_S = 30 * 86_400;

/** Decides who may look. */
export class Access {
  /**
   * The token that requests must show. If undefined, only requests that name this machine as
   * localhost or a loopback address are answered.
   */
  token: string | undefined;
  /** Whether the listener speaks TLS. */
  isEncrypted = false;
  private readonly guesses = new Guesses();

  /** Why a request is refused; undefined if it is not. @param isOpen whether it needs no token */
  refusal(request: HttpRequest, isOpen: boolean): Answer | undefined {
    const { headers, method } = request;
    if (this.token === undefined && !isForLoopback(headers.get("host"))) return ELSEWHERE;
    if (method === "POST" && isOfAnotherSite(headers)) return FOREIGN;
    if (this.token === undefined || isOpen || this.isLoggedIn(headers, this.token))
      return undefined;
    const shown = shownToken(headers.get("authorization"));
    const refused =
      shown === undefined ? MISSING : this.try(shown, this.token, clientAddressOf(request));
    return refused?.status === 401 && isNavigation(headers)
      ? { ...refused, headers: ASK_FOR_PASSWORD }
      : refused;
  }

  /** Answers the form of the login page: its field `token`. */
  login(request: HttpRequest): Answer {
    const { body, headers } = request;
    const { token } = this;
    if (token === undefined) return plain(404, "No token is set, so no login is needed");
    const shown = new URLSearchParams(Buffer.from(body).toString()).get("token")?.trim() ?? "";
    const refusal = this.try(shown, token, clientAddressOf(request));
    if (refusal !== undefined) return refusal;
    const ends = Math.floor(Date.now() / 1000) + LOGIN_S;
    const isSecure = this.isEncrypted || headers.get("x-forwarded-proto") === "https";
    return plain(200, "You are logged in", {
      "Set-Cookie":
        `${cookieName(token)}=${ends}.${signature(ends, token)}; Max-Age=${LOGIN_S}; HttpOnly; SameSite=Strict` +
        (isSecure ? "; Secure" : ""),
    });
  }

  /** @returns why it is refused; undefined if it is the token */
  private try(shown: string, token: string, client: string): Answer | undefined {
    const waitS = this.guesses.waitS(client);
    if (waitS > 0)
      return plain(
        429,
        `There were too many wrong tokens from your address: try again in ${waitS} s`,
        {
          "Retry-After": String(waitS),
        },
      );
    if (isSame(shown, token)) {
      this.guesses.forget(client);
      return undefined;
    }
    this.guesses.note(client);
    return WRONG;
  }

  private isLoggedIn(headers: HttpRequest["headers"], token: string): boolean {
    const name = `${cookieName(token)}=`;
    const cookies = (headers.get("cookie") ?? "").split(/[;,]/).map((cookie) => cookie.trim());
    return cookies.some((cookie) => {
      if (!cookie.startsWith(name)) return false;
      const [, ends = "", signed = ""] =
        /^(\d{1,12})\.(\w+)$/.exec(cookie.slice(name.length)) ?? [];
      const isRight = isSame(signed, signature(Number(ends), token));
      return isRight && Number(ends) > Date.now() / 1000;
    });
  }
}

const ELSEWHERE = plain(
  421,
  "Without a token, the hub answers only if the Host header is localhost, 127.0.0.1 or [::1]: " +
    "use one of these, have the proxy send it, or set a token (http.token_file)",
);
const FOREIGN = plain(403, "This request comes from the page of another site");
const CHALLENGE = { "WWW-Authenticate": 'Bearer realm="imagehub"' };
/** The browser asks for a name and a password. For what a script asks for, it must not. */
const ASK_FOR_PASSWORD = { "WWW-Authenticate": 'Basic realm="imagehub: the token as password"' };
const MISSING = plain(
  401,
  "The header Authorization: Bearer TOKEN is missing; see the setting http.token_file",
  CHALLENGE,
);
const WRONG = plain(401, "This is not the token; see the setting http.token_file", CHALLENGE);

/**
 * Whether a browser says that another site's page has sent a request. Such a page may send any POST
 * that a form can send, and the browser adds cookies or reaches this machine's own address.
 */
function isOfAnotherSite(headers: HttpRequest["headers"]): boolean {
  const site = headers.get("sec-fetch-site");
  if (site !== undefined) return site !== "same-origin" && site !== "none";
  const origin = headers.get("origin");
  if (origin === undefined) return false;
  const host = URL.canParse(origin) ? new URL(origin).host : "";
  return host === "" || ![headers.get("host"), headers.get("x-forwarded-host")].includes(host);
}

/** Whether a browser shows the answer by itself, as of a link to an image. */
function isNavigation(headers: HttpRequest["headers"]): boolean {
  const mode = headers.get("sec-fetch-mode");
  // Without HTTPS, browsers say this only of localhost.
  return mode === undefined
    ? headers.get("accept")?.includes("text/html") === true
    : mode === "navigate";
}

/** The token in an `Authorization` header: a bearer token, or the password of Basic. */
function shownToken(authorization: string | undefined): string | undefined {
  const [, scheme = "", shown] = /^(bearer|basic) +(\S+) *$/i.exec(authorization ?? "") ?? [];
  if (shown === undefined || scheme.toLowerCase() === "bearer") return shown;
  const pair = Buffer.from(shown, "base64").toString();
  return pair.slice(pair.indexOf(":") + 1);
}

/** Two hubs on one machine share a browser's cookies, whatever their ports. */
function cookieName(token: string): string {
  return `imagehub-${digest(token).toString("hex").slice(0, 8)}`;
}

function signature(ends: number, token: string): string {
  return createHmac("sha256", token).update(`login until ${ends}`).digest("hex");
}

/** The time this takes does not reveal how much of a guess is right. */
function isSame(shown: string, right: string): boolean {
  return timingSafeEqual(digest(shown), digest(right));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
