import { describe, expect, test } from "bun:test";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { defaultSettings } from "../../src/config/schema.ts";
import { hubName, targetNotes, targetOf } from "../../src/s3/settings.ts";
import { tempDir } from "../support/machine/temp.ts";
import { makeCertificate } from "../support/peers/certificates.ts";

const BASE = {
  ...defaultSettings().replicate,
  endpoint: "https://s3.test/",
  bucket: "farm",
  access_key: "AKID",
  secret_key: "SECRET",
};

test("targetOf takes keys from the settings or from a file, and the certificate", () => {
  using temp = tempDir();
  const file = join(temp.path, "keys");
  writeFileSync(file, "AK \r\nSE/+\r\n");
  const { certificate } = makeCertificate(temp.path, "ca");
  expect(targetOf(BASE)).toEqual({
    endpoint: new URL("https://s3.test"),
    bucket: "farm",
    region: "us-east-1",
    style: "path",
    accessKey: "AKID",
    secretKey: "SECRET",
    ca: undefined,
  });
  const other = { ...BASE, access_key: "", secret_key: "", key_file: file, ca: certificate };
  expect(targetOf(other)).toMatchObject({
    accessKey: "AK",
    secretKey: "SE/+",
    ca: readFileSync(certificate, "utf8"),
  });
});

describe("targetOf refuses, and shows nothing of the file,", () => {
  test.each([
    "",
    "SECRET",
    "AKID\nSECRET\nmore",
    "AK ID\nSECRET",
    "SE/RET\nAKID",
    "AKID\n\n",
    "AKID\nSÉCRET",
  ])("the keys %j", (text) => {
    using temp = tempDir();
    const file = join(temp.path, "keys");
    writeFileSync(file, text);
    expect(() => targetOf({ ...BASE, key_file: file })).toThrow(
      new Error(`${file} is wrong: it must have two lines, the access key and then the secret key`),
    );
  });

  test("what is no file, or no certificate", () => {
    expect(() => targetOf({ ...BASE, key_file: "/nowhere" })).toThrow(
      new Error("Cannot read /nowhere: no such file or directory"),
    );
    expect(() => targetOf({ ...BASE, ca: import.meta.path })).toThrow(
      new Error(`${import.meta.path} is wrong: it holds no certificate in PEM`),
    );
  });
});

test("hubName puts the machine's name in", () => {
  expect(hubName({ name: "hub1" })).toBe("hub1");
  expect(hubName({ name: "farm-<name>" })).toBe(`farm-${hostname()}`);
});

test("targetNotes says who can read the images and the secret key, and what has no effect", () => {
  using temp = tempDir();
  const { certificate } = makeCertificate(temp.path, "new");
  const old = makeCertificate(temp.path, "old", { days: -1, age: 9 });
  const file = join(temp.path, "keys");
  writeFileSync(file, "AKID\nSECRET\n", { mode: 0o600 });
  const keys = { ...BASE, access_key: "", secret_key: "", key_file: file };
  expect(targetNotes(BASE)).toEqual([]);
  expect(targetNotes({ ...keys, ca: certificate })).toEqual([]);
  for (const host of ["127.0.0.1", "[::1]:9000", "localhost:9000"])
    expect(targetNotes({ ...BASE, endpoint: `http://${host}` })).toEqual([]);
  chmodSync(file, 0o644);
  expect(targetNotes({ ...keys, endpoint: "http://192.168.1.5:9000", ca: certificate })).toEqual([
    `Every user of this machine can read the secret key in ${file}. To prevent this: chmod o= ${file}`,
    "hub.replicate.ca is not used with http://, only with https://",
    "hub.replicate.endpoint begins with http://, so whoever is on the way can read all images. " +
      "The secret key is not sent. Use https:// if others are on the network",
  ]);
  expect(targetNotes({ ...BASE, ca: old.certificate })).toEqual([
    expect.stringMatching(
      /^hub\.replicate\.ca: the certificate in \S+ has expired on 20\S+: renew it$/,
    ),
  ]);
});
