import { DISKS } from "../rows.ts";
import { testRows } from "./test-rows.ts";

testRows(DISKS);
