import { afterAll, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readToken } from "../../src/http/token.ts";
import { tempDir } from "../support/machine/temp.ts";

const TOKEN = "0123456789abcdef";
const temp = tempDir();
afterAll(() => temp[Symbol.dispose]());

function file(content: string, mode = 0o600): string {
  const path = join(temp.path, "token");
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

test.each([TOKEN, `${TOKEN}\n`, `  ${TOKEN} \r\nanything\n`])(
  "readToken reads the first line of %j",
  (content) => {
    expect(readToken(file(content))).toEqual({ token: TOKEN, isExposed: false });
  },
);

test.each([
  [0o600, false],
  [0o640, false],
  [0o644, true],
  [0o602, true],
])("readToken says of the mode 0o%o whether others may read it: %p", (mode, isExposed) => {
  expect(readToken(file(TOKEN, mode)).isExposed).toBe(isExposed);
});

test.each([
  "",
  "\n",
  TOKEN.slice(1),
  "with spaces in between it",
  "a".repeat(1025),
  "öäüöäüöäüöäüöäüöäü",
])("readToken refuses %j", (content) => {
  expect(() => readToken(file(content))).toThrow(
    "holds no token: its first line must have 16 to 1024 letters",
  );
});

test("readToken throws when there is no file", () => {
  expect(() => readToken(join(temp.path, "none"))).toThrow("ENOENT");
});
