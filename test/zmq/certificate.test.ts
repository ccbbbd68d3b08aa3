import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  formatCertificate,
  readKeyPair,
  readPublicKey,
  readPublicKeys,
} from "../../src/zmq/certificate.ts";
import { newKeyPair } from "../../src/zmq/library.ts";
import { lacks } from "../../scripts/lib/available.ts";
import { createCertificates, loadCertificate } from "../support/peers/curve.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";
import { forEachTest } from "../support/for-each-test.ts";

let temp: TempDir;

forEachTest(tempDir, (made) => (temp = made));

const at = (name: string): string => join(temp.path, name);

/**
 * Together, these two contain every digit of Z85. The first one has the largest value of five
 * digits.
 */
const PUBLIC = "%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0";
const SECRET = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

const write = (name: string, text: string): string => {
  writeFileSync(at(name), text);
  return at(name);
};

describe("certificates", () => {
  test("hold what was put into them", () => {
    for (let count = 0; count < 50; count++) {
      const pair = newKeyPair();
      const secret = write("a.key_secret", formatCertificate(pair));
      expect(readKeyPair(secret)).toEqual(pair);
      expect(readPublicKey(secret)).toBe(pair.publicKey);
      const open = formatCertificate({ publicKey: pair.publicKey });
      expect(open).not.toContain(pair.secretKey);
      expect(readPublicKey(write("a.key", open))).toBe(pair.publicKey);
    }
  });

  test("of five digits for the largest four bytes are read", () => {
    const file = write("a", formatCertificate({ publicKey: PUBLIC, secretKey: SECRET }));
    expect(readKeyPair(file)).toEqual({ publicKey: PUBLIC, secretKey: SECRET });
  });

  test.each<[what: string, text: string]>([
    ["nothing", ""],
    ["no secret key", formatCertificate({ publicKey: PUBLIC })],
    ["a short key", formatCertificate({ publicKey: PUBLIC, secretKey: SECRET.slice(1) })],
    ["a long key", formatCertificate({ publicKey: PUBLIC, secretKey: `${SECRET}0` })],
    [
      "a character that is none of Z85",
      formatCertificate({ publicKey: PUBLIC, secretKey: SECRET.replace("r", "~") }),
    ],
    // One more than the largest value of four bytes.
    [
      "a key of more than 256 bits",
      formatCertificate({ publicKey: PUBLIC, secretKey: PUBLIC.replace("c0", "c1") }),
    ],
    [
      "keys in comments",
      formatCertificate({ publicKey: PUBLIC, secretKey: SECRET }).replaceAll(/^/gm, "# "),
    ],
    [
      "keys without quotes",
      formatCertificate({ publicKey: PUBLIC, secretKey: SECRET }).replaceAll('"', ""),
    ],
  ])("with %s are refused with the name of the file", (_, text) => {
    const file = write("a.key_secret", text);
    expect(() => readKeyPair(file)).toThrow(
      `${file} holds no key pair (public-key and secret-key in Z85); make one with imagehub keygen`,
    );
  });

  test("that are not there are refused with the name of the file", () => {
    expect(() => readKeyPair(at("nosuch"))).toThrow(at("nosuch"));
    expect(() => readPublicKey(at("nosuch"))).toThrow(at("nosuch"));
    expect(() => readPublicKeys(at("nosuch"))).toThrow(at("nosuch"));
  });
});

describe("readPublicKeys", () => {
  test("reads the files *.key and no others", () => {
    const keys = Array.from({ length: 3 }, () => newKeyPair());
    for (const [index, pair] of keys.entries()) {
      write(`${index}.key`, formatCertificate({ publicKey: pair.publicKey }));
      write(`${index}.key_secret`, formatCertificate(pair));
    }
    write("README", "Keys of the cameras");
    write("4.key.bak", "");
    expect(readPublicKeys(temp.path)).toEqual(new Set(keys.map(({ publicKey }) => publicKey)));
  });

  test("gives none where there are none", () => {
    expect(readPublicKeys(temp.path)).toEqual(new Set());
  });

  test("refuses all where one is broken, and names it", () => {
    write("a.key", formatCertificate({ publicKey: PUBLIC }));
    const broken = write("b.key", "public-key = ");
    expect(() => readPublicKeys(temp.path)).toThrow(
      `${broken} holds no public key (public-key in Z85); make one with imagehub keygen`,
    );
  });

  test("refuses a directory in the place of a key", () => {
    mkdirSync(at("a.key"));
    expect(() => readPublicKeys(temp.path)).toThrow("EISDIR");
  });
});

describe.skipIf(lacks("python"))("with pyzmq", () => {
  test("certificates of zmq.auth are read", () => {
    createCertificates(temp.path, "node");
    const [publicKey, secretKey] = loadCertificate(at("node.key_secret"));
    expect(readKeyPair(at("node.key_secret"))).toEqual({ publicKey, secretKey: secretKey ?? "" });
    expect(readPublicKeys(temp.path)).toEqual(new Set([publicKey]));
  });

  test("zmq.auth reads ours", () => {
    for (let count = 0; count < 5; count++) {
      const pair = newKeyPair();
      expect(loadCertificate(write("a.key_secret", formatCertificate(pair)))).toEqual([
        pair.publicKey,
        pair.secretKey,
      ]);
      const open = write("a.key", formatCertificate({ publicKey: pair.publicKey }));
      expect(loadCertificate(open)).toEqual([pair.publicKey, null]);
    }
  });
});
