import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadSettings } from "../../src/config/load.ts";
import { differences, formatSettings } from "../../src/config/print.ts";
import { withoutSecrets } from "../../src/config/secrets.ts";
import { messageOf } from "../../src/errors.ts";
import { tempDir } from "../support/machine/temp.ts";

const WHOLE = {
  endpoint: "https://s3.example.com",
  bucket: "farm",
  access_key: "AKID",
  secret_key: "SECRET/+=",
};

/** Loads a file with these settings. */
function load(replicate: unknown, env: Record<string, string> = {}, others = {}) {
  using temp = tempDir();
  const config = join(temp.path, "imagehub.yaml");
  writeFileSync(config, JSON.stringify({ hub: { replicate, ...others } }));
  return loadSettings({ config, env: { HOME: "/home/pi", ...env } });
}

/** What is wrong, without the name of the file; empty: nothing. */
function problem(replicate: unknown, env?: Record<string, string>): string {
  try {
    load(replicate, env);
    return "";
  } catch (error) {
    return messageOf(error).replace(/^\S*imagehub\.yaml:1: /, "");
  }
}

describe("replicate", () => {
  test.each([
    "http://127.0.0.1:7480",
    "https://s3.eu-west-1.amazonaws.com/",
    "http://[::1]:9000",
    "",
    null,
  ])("takes the endpoint %s", (endpoint) => expect(problem({ ...WHOLE, endpoint })).toBe(""));

  test.each([
    "s3.example.com",
    "s3://farm",
    "ftp://s3.example.com",
    "https://AKID:SECRET@s3.example.com",
    "https://s3.example.com/farm",
    "https://s3.example.com?x",
    "https://",
    "https://s3.example.com:99999",
  ])("refuses the endpoint %s", (endpoint) =>
    expect(problem({ ...WHOLE, endpoint })).toBe(
      `hub.replicate.endpoint is "${endpoint}", must be a URL https://HOST or http://HOST, with :PORT if need be, and no path; or nothing`,
    ),
  );

  test.each(["abc", "farm.images-2", "0".repeat(63)])("takes the bucket %s", (bucket) =>
    expect(problem({ ...WHOLE, bucket })).toBe(""),
  );

  test.each([
    "ab",
    "0".repeat(64),
    "Farm",
    "a_b",
    "-farm",
    "farm.",
    "a..b",
    "1.2.3.4",
    "a/b",
    "aé",
  ])("refuses the bucket %s", (bucket) =>
    expect(problem({ ...WHOLE, bucket })).toContain("hub.replicate.bucket is "),
  );

  test.each(["hub1", "<name>", "farm-<name>", "a.b_c-d"])("takes the name %s", (name) =>
    expect(problem({ ...WHOLE, name })).toBe(""),
  );

  test.each(["", ".", "..", ".a", "a/b", "<host>", "a b", "é", "x".repeat(65)])(
    "refuses the name %s",
    (name) => expect(problem({ ...WHOLE, name })).toContain("hub.replicate.name "),
  );

  test.each([
    [{ endpoint: WHOLE.endpoint }, "hub.replicate.endpoint needs hub.replicate.bucket"],
    [
      { ...WHOLE, secret_key: "" },
      "hub.replicate.endpoint needs hub.replicate.key_file, or access_key and secret_key",
    ],
    [
      { ...WHOLE, key_file: "keys" },
      "hub.replicate.key_file holds both keys: leave out access_key and secret_key",
    ],
    [
      { ...WHOLE, endpoint: "http://[::1]:9000", style: "host" },
      "hub.replicate.style is host, but hub.replicate.endpoint has an address, and no name",
    ],
    // Without an endpoint, nothing is copied.
    [{ bucket: "farm" }, ""],
  ])("%j: %s", (replicate, message) => expect(problem(replicate)).toBe(message));

  test("ack: replicated needs a bucket", () => {
    expect(load(WHOLE, {}, { ack: "replicated", ack_timeout: 2 }).settings.ack_timeout).toBe(2);
    expect(() => load({}, {}, { ack: "replicated" })).toThrow(
      "hub.ack is replicated, which needs a bucket: set hub.replicate.endpoint, or hub.ack to stored",
    );
  });

  test("takes its keys from the environment", () => {
    const { endpoint, bucket } = WHOLE;
    const env = { IMAGEHUB_REPLICATE_ACCESS_KEY: "123", IMAGEHUB_REPLICATE_SECRET_KEY: "0x12" };
    const { replicate } = load({ endpoint, bucket }, env).settings;
    expect(replicate).toMatchObject({ access_key: "123", secret_key: "0x12" });
  });

  test("shows its secret key nowhere", () => {
    const loaded = load(WHOLE);
    const shown = [withoutSecrets(loaded.settings), differences(loaded), formatSettings(loaded)];
    expect(JSON.stringify(shown)).not.toContain("SECRET");
    expect(withoutSecrets(loaded.settings).replicate.secret_key).toBe("…");
    expect(withoutSecrets(load({}).settings).replicate.secret_key).toBe("");
    expect(loaded.settings.replicate.secret_key).toBe(WHOLE.secret_key);
    const rule = "must be a text of up to 256 characters without spaces, or nothing";
    expect(problem({ ...WHOLE, secret_key: "SECRET SECRET" })).toBe(
      `hub.replicate.secret_key is wrong, ${rule}`,
    );
    // As it is shown.
    expect(problem({ ...WHOLE, secret_key: "…" })).toBe(
      `hub.replicate.secret_key is wrong, ${rule}`,
    );
    expect(problem(WHOLE, { IMAGEHUB_REPLICATE_SECRET_KEY: "SECRET…" })).toBe(
      `IMAGEHUB_REPLICATE_SECRET_KEY is wrong, ${rule}`,
    );
  });
});
