import { expect, test } from "bun:test";
import { variablesIn } from "../../src/service/running.ts";

test("variablesIn takes the hub's variables out of what systemd shows, and no others", () => {
  expect(variablesIn("")).toEqual({});
  const shown = String.raw`TZ=UTC IMAGEHUB_HTTP_LISTEN=127.0.0.1:8551 "IMAGEHUB_ALLOW=10.0.0.7, 10.0.0.8" "X=IMAGEHUB_PORT=1" "IMAGEHUB_DATA_DIRECTORY=/srv/a \"b\""`;
  expect(variablesIn(shown)).toEqual({
    IMAGEHUB_HTTP_LISTEN: "127.0.0.1:8551",
    IMAGEHUB_ALLOW: "10.0.0.7, 10.0.0.8",
    IMAGEHUB_DATA_DIRECTORY: '/srv/a "b"',
  });
});
