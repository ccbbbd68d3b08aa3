import { expect, test } from "bun:test";
import { connectionError, refusalError, type Problem } from "../../src/s3/errors.ts";
import type { Target } from "../../src/s3/target.ts";

const TARGET: Target = {
  endpoint: new URL("https://s3.test:9000"),
  bucket: "farm",
  region: "us-east-1",
  style: "path",
  accessKey: "AKID",
  secretKey: "SECRET",
  ca: undefined,
};
const AT = "https://s3.test:9000";
const HOUR_MS = 3_600_000;

test.each<[number, string | undefined, number, Problem, boolean, string]>([
  [
    413,
    undefined,
    0,
    "other",
    false,
    `${AT} has answered 413: it does not take so large an object`,
  ],
  [
    403,
    "InvalidAccessKeyId",
    0,
    "keys",
    false,
    `${AT} does not know the access key: set hub.replicate.access_key or key_file`,
  ],
  [
    403,
    "SignatureDoesNotMatch",
    0,
    "keys",
    false,
    `${AT} does not accept the secret key: set the one that belongs to the access key`,
  ],
  [
    400,
    "AuthorizationHeaderMalformed",
    0,
    "keys",
    false,
    `${AT} wants another region: set hub.replicate.region to eu-west-1`,
  ],
  [
    403,
    "AccessDenied",
    0,
    "denied",
    false,
    `${AT} does not let this access key use the bucket farm (403 AccessDenied): allow it s3:GetObject and s3:ListBucket, and a hub also s3:PutObject`,
  ],
  [
    403,
    undefined,
    0,
    "denied",
    false,
    `${AT} refuses this access key (403): its secret key is wrong, or it may not use the bucket farm`,
  ],
  [
    403,
    "AccessDenied",
    HOUR_MS,
    "clock",
    false,
    `The clocks of this machine and of ${AT} differ by 60 minutes: set the one that is wrong`,
  ],
  [
    403,
    undefined,
    -HOUR_MS,
    "clock",
    false,
    `The clocks of this machine and of ${AT} differ by 60 minutes: set the one that is wrong`,
  ],
  [
    403,
    "RequestTimeTooSkewed",
    0,
    "clock",
    false,
    `The clocks of this machine and of ${AT} differ: set the one that is wrong`,
  ],
  [
    404,
    "NoSuchBucket",
    0,
    "bucket",
    false,
    `There is no bucket farm at ${AT}: create it, or set hub.replicate.bucket`,
  ],
  [
    301,
    "PermanentRedirect",
    0,
    "bucket",
    false,
    `The bucket farm is at another address than ${AT} (301 PermanentRedirect): set hub.replicate.endpoint and region to those of the bucket`,
  ],
  [
    302,
    undefined,
    0,
    "bucket",
    false,
    `The bucket farm is at another address than ${AT} (302): set hub.replicate.endpoint and region to those of the bucket`,
  ],
  [503, "SlowDown", 0, "busy", true, `${AT} cannot do it now (503 SlowDown)`],
  [502, undefined, 0, "busy", true, `${AT} cannot do it now (502)`],
  [
    409,
    "ConditionalRequestConflict",
    0,
    "busy",
    true,
    `${AT} cannot do it now (409 ConditionalRequestConflict)`,
  ],
  [
    400,
    "XAmzContentSHA256Mismatch",
    0,
    "busy",
    true,
    `${AT} cannot do it now (400 XAmzContentSHA256Mismatch)`,
  ],
  [
    404,
    undefined,
    0,
    "foreign",
    false,
    `${AT} does not answer as an S3 store does (404): see hub.replicate.endpoint`,
  ],
  [400, "InvalidArgument", 0, "other", false, `${AT} has answered 400 InvalidArgument`],
  [501, "NotImplemented", 0, "other", false, `${AT} has answered 501 NotImplemented`],
])(
  "refusalError of %p %p at a clock %p ms ahead",
  (status, code, skewMs, problem, isRetryable, message) => {
    const region = code === "AuthorizationHeaderMalformed" ? "eu-west-1" : undefined;
    const error = refusalError(TARGET, { status, code, region, waitMs: 7, skewMs });
    expect(error).toMatchObject({
      problem,
      status,
      code: code ?? "",
      isRetryable,
      waitMs: 7,
      message,
    });
  },
);

test.each<[string, Problem, boolean, string]>([
  ["ECONNREFUSED", "unreachable", true, `${AT} cannot be reached: connection refused`],
  [
    "ECONNRESET",
    "unreachable",
    true,
    `${AT} cannot be reached: the connection was closed without an answer`,
  ],
  ["EPROTO", "unreachable", false, `${AT} cannot be reached: it does not speak TLS there`],
  ["ENOTFOUND", "name", false, `${AT} cannot be reached: there is no such host`],
  [
    "DNS_ECONNREFUSED",
    "name",
    true,
    `${AT} cannot be reached: the name of the host cannot be looked up (DNS_ECONNREFUSED)`,
  ],
  [
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "certificate",
    false,
    `${AT} cannot be trusted: its certificate is signed by itself; see hub.replicate.ca`,
  ],
  [
    "CERT_HAS_EXPIRED",
    "certificate",
    false,
    `${AT} cannot be trusted: its certificate has expired`,
  ],
])("connectionError of %s", (code, problem, isRetryable, message) => {
  const error = connectionError(TARGET, code);
  expect(error).toMatchObject({
    problem,
    code,
    isRetryable,
    message,
  });
});
