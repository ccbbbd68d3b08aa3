import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { WebhookSettings } from "../../src/config/webhook.ts";
import { readWebhookFiles } from "../../src/tell/webhook-files.ts";
import { makeCertificate } from "../support/peers/certificates.ts";
import { tempDir } from "../support/machine/temp.ts";

const ON: WebhookSettings["on"] = ["start"];
const ADDRESS = "http://127.0.0.1/x";

test("readWebhookFiles reads all that is needed to send", async () => {
  using temp = tempDir();
  const place = (name: string, text: string, mode = 0o600): string => {
    const path = join(temp.path, name);
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  };
  const headers = "# of ntfy\nAuthorization: Bearer abc: d \r\nX-Empty:\n\nTitle: Küche\n";
  const files = await readWebhookFiles({
    url_file: place("url", " https://ntfy.example/farm?x \n# of the farm\n"),
    on: ON,
    header_file: place("headers", headers, 0o604),
    secret_file: place("secret", "0123456789abcdef\nmore\n", 0o640),
    template: place("template", "{hub}\n", 0o644),
    ca: makeCertificate(temp.path, "ca").certificate,
  });
  expect(files.url.href).toBe("https://ntfy.example/farm?x");
  expect(files.headers).toEqual([
    ["Authorization", "Bearer abc: d"],
    ["X-Empty", ""],
    ["Title", "Küche"],
  ]);
  expect(files.secret).toBe("0123456789abcdef");
  expect(files.template?.isJson).toBe(false);
  expect(files.ca).toStartWith("-----BEGIN CERTIFICATE");
  expect(files.exposed).toEqual([join(temp.path, "headers")]);
});

test("readWebhookFiles needs no files", async () => {
  const files = await readWebhookFiles({ url: ADDRESS, on: ON });
  expect(files).toMatchObject({ headers: [], secret: undefined, template: undefined, exposed: [] });
});

type Key = "url_file" | "header_file" | "secret_file" | "template" | "ca";

describe("readWebhookFiles refuses, without showing it,", () => {
  const table: [what: string, key: Key, content: string | Uint8Array, message: string][] = [
    [
      "a URL of another kind",
      "url_file",
      "ftp://secret/",
      "its first line must be a URL that begins with http:// or https://",
    ],
    [
      "a header line without a colon",
      "header_file",
      "A: b\nsecret\n",
      "line 2 must be Name: value, in letters of Latin-1",
    ],
    [
      "a control character",
      "header_file",
      "A: secret\u0001\n",
      "line 1 must be Name: value, in letters of Latin-1",
    ],
    [
      "a letter that HTTP does not have",
      "header_file",
      "A: secret €\n",
      "line 1 must be Name: value, in letters of Latin-1",
    ],
    [
      "a header of HTTP itself",
      "header_file",
      "content-length: 5\n",
      "line 1: the hub sets content-length itself",
    ],
    [
      "a header of the hub",
      "header_file",
      "X-Imagehub-Signature: secret\n",
      "line 1: the hub sets X-Imagehub-Signature itself",
    ],
    [
      "a short secret",
      "secret_file",
      "secret\n",
      "its first line must have 16 characters or more, such as openssl rand -hex 32 prints",
    ],
    [
      "a placeholder that is none",
      "template",
      "{nothere}",
      "there is no placeholder {nothere}; there is",
    ],
    ["a certificate that is none", "ca", "secret", "it holds no certificate in PEM"],
  ];
  test.each(table)("%s", async (_, key, content, message) => {
    using temp = tempDir();
    const path = join(temp.path, "file");
    writeFileSync(path, content);
    const given = key === "url_file" ? { url_file: path } : { url: ADDRESS, [key]: path };
    const refused = await readWebhookFiles({ ...given, on: ON }).catch(String);
    expect(refused).toStartWith(`Error: ${path} is wrong: ${message}`);
    expect(refused).not.toContain("secret");
  });

  test.each([
    ["what is missing", () => undefined, "no such file or directory"],
    ["a directory", (path: string) => mkdirSync(path), "it is a directory"],
    ["a pipe", (path: string) => Bun.spawnSync(["mkfifo", path]), "it is no regular file"],
    [
      "a large file",
      (path: string) => writeFileSync(path, "x".repeat(65_537)),
      "it is larger than 65536 bytes",
    ],
    [
      "what is no text",
      (path: string) => writeFileSync(path, Buffer.from([0xff, 0xfe])),
      "it is not UTF-8 text",
    ],
  ])("%s", async (_, make, reason) => {
    using temp = tempDir();
    const path = join(temp.path, "file");
    make(path);
    const refused = await readWebhookFiles({ url: ADDRESS, on: ON, template: path }).catch(String);
    expect(refused).toBe(`Error: Cannot read ${path}: ${reason}`);
  });
});
