/**
 * What can go wrong with an S3 store, in words that say what to do.
 *
 * No message contains what the store has written besides its codes: it is the store of others.
 *
 * @module
 */

import { fetchReason, isCertificateCode, isLookupCode } from "../net/fetch.ts";
import type { Target } from "./target.ts";

/**
 * What is wrong:
 *
 * - `keys`: access key, secret key or region
 * - `denied`: the key may not do this
 * - `bucket`: it is not there, or elsewhere
 * - `clock`: that of this machine or of the store
 * - `certificate`: the store cannot be trusted
 * - `name`: the host has no address
 * - `unreachable`: no answer, or none in time
 * - `busy`: the store cannot do it now
 * - `foreign`: what answers does not speak S3
 * - `ended`: the caller has ended the call
 * - `other`: see the code
 */
export type Problem =
  | "keys"
  | "denied"
  | "bucket"
  | "clock"
  | "certificate"
  | "name"
  | "unreachable"
  | "busy"
  | "foreign"
  | "ended"
  | "other";

interface Facts {
  readonly problem: Problem;
  /** Of HTTP; undefined without an answer. */
  readonly status?: number | undefined;
  /** Of S3 or the system, such as `NoSuchBucket` or `ECONNREFUSED`; empty if there is none. */
  readonly code: string;
  /** Whether the same call may succeed soon, without anybody doing something. */
  readonly isRetryable: boolean;
  /** How long the store asks to wait, in milliseconds. */
  readonly waitMs?: number | undefined;
}

/** A call to an S3 store has failed. */
export class StoreError extends Error implements Facts {
  override readonly name = "StoreError";
  readonly problem: Problem;
  readonly status: number | undefined;
  readonly code: string;
  readonly isRetryable: boolean;
  readonly waitMs: number | undefined;

  constructor(message: string, facts: Facts, options?: ErrorOptions) {
    super(message, options);
    this.problem = facts.problem;
    this.status = facts.status;
    this.code = facts.code;
    this.isRetryable = facts.isRetryable;
    this.waitMs = facts.waitMs;
  }
}

/** What a store answers instead of what was asked for. */
export interface Refusal {
  readonly status: number;
  /** From its XML; undefined without one, as for HEAD. */
  readonly code: string | undefined;
  /** The region that it wants, from its XML. */
  readonly region: string | undefined;
  /** From `Retry-After`, in milliseconds. */
  readonly waitMs: number | undefined;
  /** How much later it is here than there, in milliseconds; undefined if it does not say. */
  readonly skewMs: number | undefined;
}

/** From so much on, a store refuses what was signed, in milliseconds. */
const SKEW_MS_MAX = 15 * 60_000;

/** The code for an object in a storage class that must be restored before it can be read. */
export const IN_ARCHIVE = "InvalidObjectState";

/** Codes that stand for a problem, whatever the status is. */
const PROBLEMS: Readonly<Record<string, Problem>> = {
  InvalidAccessKeyId: "keys",
  InvalidToken: "keys",
  SignatureDoesNotMatch: "keys",
  AuthorizationHeaderMalformed: "keys",
  InvalidRegion: "keys",
  AccessDenied: "denied",
  AllAccessDisabled: "denied",
  // Nothing is wrong with the key.
  [IN_ARCHIVE]: "other",
  NoSuchBucket: "bucket",
  PermanentRedirect: "bucket",
  TemporaryRedirect: "bucket",
  RequestTimeTooSkewed: "clock",
  RequestExpired: "clock",
  SlowDown: "busy",
  ServiceUnavailable: "busy",
  InternalError: "busy",
  RequestTimeout: "busy",
  OperationAborted: "busy",
  ConditionalRequestConflict: "busy",
  // What arrived is not what was sent.
  XAmzContentSHA256Mismatch: "busy",
  BadDigest: "busy",
  IncompleteBody: "busy",
};

/** Statuses of what was asked alone: it is too long for what is between here and the store. */
const TOO_LONG = new Set([413, 414]);

/** Statuses that have nothing to do with what was asked. */
const BUSY = new Set([408, 429, 500, 502, 503, 504]);

/** The error for an answer. */
export function refusalError(target: Target, refusal: Refusal): StoreError {
  const { status, code = "", waitMs } = refusal;
  const problem = problemOf(refusal);
  const message = refusalMessage(target, problem, refusal);
  return new StoreError(message, {
    problem,
    status,
    code,
    isRetryable: problem === "busy",
    waitMs,
  });
}

function problemOf({ status, code, skewMs }: Refusal): Problem {
  const known = code === undefined ? undefined : PROBLEMS[code];
  // A store may say AccessDenied also of the time, and without XML it says nothing.
  const isSkewed = Math.abs(skewMs ?? 0) > SKEW_MS_MAX;
  if (status === 403 && isSkewed) return "clock";
  if (known !== undefined) return known;
  if (TOO_LONG.has(status)) return "other";
  if (BUSY.has(status)) return "busy";
  if (status === 401 || status === 403) return "denied";
  if (status >= 300 && status < 400) return "bucket";
  return code === undefined ? "foreign" : "other";
}

function refusalMessage(target: Target, problem: Problem, refusal: Refusal): string {
  const { bucket, endpoint } = target;
  const { status, code, skewMs } = refusal;
  const place = endpoint.origin;
  const answer = code === undefined ? String(status) : `${status} ${code}`;
  if (problem === "keys") return keysMessage(place, refusal);
  if (problem === "denied" && code === undefined)
    return `${place} refuses this access key (${answer}): its secret key is wrong, or it may not use the bucket ${bucket}`;
  if (problem === "denied")
    return `${place} does not let this access key use the bucket ${bucket} (${answer}): allow it s3:GetObject and s3:ListBucket, and a hub also s3:PutObject`;
  if (code === "NoSuchBucket")
    return `There is no bucket ${bucket} at ${place}: create it, or set hub.replicate.bucket`;
  if (problem === "bucket")
    return `The bucket ${bucket} is at another address than ${place} (${answer}): set hub.replicate.endpoint and region to those of the bucket`;
  if (problem === "clock") {
    const isKnown = skewMs !== undefined && Math.abs(skewMs) > SKEW_MS_MAX;
    const by = isKnown ? ` by ${Math.round(Math.abs(skewMs) / 60_000)} minutes` : "";
    return `The clocks of this machine and of ${place} differ${by}: set the one that is wrong`;
  }
  if (problem === "busy") return `${place} cannot do it now (${answer})`;
  if (problem === "foreign") return foreignMessage(place, answer);
  if (code === IN_ARCHIVE)
    return `${place} has moved this object to an archive of its own (${answer}): restore it there first`;
  if (status === 413) return `${place} has answered ${answer}: it does not take so large an object`;
  return `${place} has answered ${answer}`;
}

function keysMessage(place: string, { code, region }: Refusal): string {
  if (code === "SignatureDoesNotMatch")
    return `${place} does not accept the secret key: set the one that belongs to the access key`;
  if (code === "InvalidAccessKeyId" || code === "InvalidToken")
    return `${place} does not know the access key: set hub.replicate.access_key or key_file`;
  const to = region === undefined ? "" : ` to ${region}`;
  return `${place} wants another region: set hub.replicate.region${to}`;
}

const foreignMessage = (place: string, what: string): string =>
  `${place} does not answer as an S3 store does (${what}): see hub.replicate.endpoint`;

/** The error for an answer that is not what S3 says it should be. */
export function foreignError({ endpoint }: Target, what: string, cause?: unknown): StoreError {
  return new StoreError(
    foreignMessage(endpoint.origin, what),
    { problem: "foreign", code: "", isRetryable: false },
    { cause },
  );
}

/** The error if no answer comes, or not all of it. @param code of what `fetch` has thrown */
export function connectionError({ endpoint }: Target, code: string): StoreError {
  const place = endpoint.origin;
  const reason = fetchReason(code).replace("see ca", "see hub.replicate.ca");
  if (isCertificateCode(code)) {
    return new StoreError(`${place} cannot be trusted: ${reason}`, {
      problem: "certificate",
      code,
      isRetryable: false,
    });
  }
  return new StoreError(`${place} cannot be reached: ${reason}`, {
    problem: isLookupCode(code) ? "name" : "unreachable",
    code,
    isRetryable: code !== "ENOTFOUND" && code !== "EPROTO",
  });
}

/** The error if an answer is not whole in time. */
export function lateError({ endpoint }: Target, msMax: number): StoreError {
  return new StoreError(`${endpoint.origin} has not answered within ${msMax / 1000} s`, {
    problem: "unreachable",
    code: "",
    isRetryable: true,
  });
}

/** The error if the caller has ended a call. */
export function endedError(): StoreError {
  return new StoreError("The call was ended", { problem: "ended", code: "", isRetryable: false });
}
