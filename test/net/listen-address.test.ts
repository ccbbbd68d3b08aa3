import { expect, test } from "bun:test";
import { isLoopback, parseListen, urlOf } from "../../src/net/listen-address.ts";

test.each([
  ["127.0.0.1:8550", "127.0.0.1", 8550, true, "http://127.0.0.1:8550"],
  ["127.9.9.9:0", "127.9.9.9", 0, true, "http://127.9.9.9:0"],
  ["[::1]:8550", "::1", 8550, true, "http://[::1]:8550"],
  ["0.0.0.0:8550", "0.0.0.0", 8550, false, "http://127.0.0.1:8550"],
  ["[::]:8550", "::", 8550, false, "http://[::1]:8550"],
  ["192.168.86.20:65535", "192.168.86.20", 65_535, false, "http://192.168.86.20:65535"],
  ["[fd00::7]:80", "fd00::7", 80, false, "http://[fd00::7]:80"],
  ["[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80, true, "http://[::ffff:127.0.0.1]:80"],
])("parseListen reads %s", (text, host, port, isLocal, url) => {
  const address = parseListen(text)!;
  expect(address).toEqual({ host, port });
  expect(isLoopback(address)).toBe(isLocal);
  expect(urlOf(address, false)).toBe(url);
  expect(urlOf(address, true)).toBe(url.replace("http", "https"));
});

test.each([
  "off",
  "",
  "8550",
  ":8550",
  "127.0.0.1",
  "127.0.0.1:",
  "127.0.0.1:65536",
  "127.0.0.1:8550 ",
  "127.0.0.1:-1",
  "127.0.1:8550",
  "::1:8550",
  "[127.0.0.1]:8550",
  "[::1]",
  "localhost:8550",
  "*:8550",
  "http://127.0.0.1:8550",
])("parseListen refuses %p", (text) => {
  expect(parseListen(text)).toBeUndefined();
});
