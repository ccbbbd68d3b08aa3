import { expect, test } from "bun:test";
import { isForLoopback } from "../../src/http/host.ts";

test.each([
  undefined,
  "localhost",
  "LocalHost:8080",
  "127.0.0.1",
  "127.9.9.9:8080",
  "[::1]",
  "[::1]:8080",
])("isForLoopback takes %j", (host) => {
  expect(isForLoopback(host)).toBe(true);
});

test.each([
  "",
  ":8080",
  "example.com",
  "localhost.example.com",
  "127.0.0.1.example.com",
  "192.168.86.41",
  "0.0.0.0",
  "[::]",
  "[192.168.86.41]",
  "[127.0.0.1]",
  "::1",
  "127.0.0.1:123456",
  "127.0.0.1:80:80",
  "user@localhost",
])("isForLoopback refuses %j", (host) => {
  expect(isForLoopback(host)).toBe(false);
});
