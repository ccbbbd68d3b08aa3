import { CROWDS } from "../rows.ts";
import { testRows } from "./test-rows.ts";

testRows(CROWDS);
