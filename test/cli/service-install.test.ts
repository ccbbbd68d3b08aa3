import { expect, test } from "bun:test";
import { wantedPlaces } from "../../src/cli/service-install.ts";
import { formatUnit } from "../../src/service/unit.ts";

test("wantedPlaces keeps what the installed unit says, unless an option says otherwise", () => {
  const places = {
    user: "pi",
    group: "cameras",
    config: "/etc/imagehub.yaml",
    dataDirectory: "/srv/images",
  };
  const rest = {
    executable: "/opt/imagehub/imagehub",
    configDirectory: "/etc",
    realDataDirectory: "/srv/images",
    mountPoint: undefined,
    archivePlace: undefined,
  };
  const unit = formatUnit({ ...places, ...rest });
  const kept = { user: "pi", group: "cameras", config: "/etc/imagehub.yaml", data: "/srv/images" };
  expect(wantedPlaces({}, unit)).toEqual(kept);
  expect(wantedPlaces({ user: "pi", data: "/srv/x" }, unit)).toEqual({ ...kept, data: "/srv/x" });
  const { group: _, ...others } = kept;
  expect(wantedPlaces({ user: "bo", config: "/a" }, unit)).toEqual({
    ...others,
    user: "bo",
    config: "/a",
  });
  expect(wantedPlaces({}, "[Service]\nUser=pi\n")).toEqual({});
  expect(wantedPlaces({ data: "/a" }, undefined)).toEqual({ data: "/a" });
});
