import { describe, expect, test } from "bun:test";
import { addressOfKey } from "../../src/s3/target.ts";

const PATH = { endpoint: new URL("http://s3.test:9000/"), bucket: "farm", style: "path" } as const;
const HOST = { ...PATH, style: "host" } as const;

test("addressOfKey names the bucket in the path or in front of the host", () => {
  expect(addressOfKey(PATH, "hub/a.jpg").href).toBe("http://s3.test:9000/farm/hub/a.jpg");
  expect(addressOfKey(HOST, "hub/a.jpg").href).toBe("http://farm.s3.test:9000/hub/a.jpg");
  expect(addressOfKey(PATH, "").href).toBe("http://s3.test:9000/farm/");
  const query = { prefix: "a b/+&'é", "list-type": "2", after: "" };
  expect(addressOfKey(HOST, "", query).href).toBe(
    "http://farm.s3.test:9000/?prefix=a%20b%2F%2B%26%27%C3%A9&list-type=2&after=",
  );
});

test("addressOfKey keeps every character of a key", () => {
  const key = "a b+c%2F?#&='()*!~:@,;$[]|\\^`{}<>\"é\u{1F600}//x/.../..y/";
  const { pathname, search, hash } = addressOfKey(PATH, key);
  expect(decodeURIComponent(pathname)).toBe(`/farm/${key}`);
  expect([search, hash]).toEqual(["", ""]);
});

describe("addressOfKey refuses", () => {
  test.each(["..", "a/../b", "a/.", "./a", "\uD800", "é".repeat(513)])("the key %j", (key) => {
    expect(() => addressOfKey(PATH, key)).toThrow("The key ");
  });
});
