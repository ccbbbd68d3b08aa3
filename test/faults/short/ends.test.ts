import { ENDS } from "../rows.ts";
import { testRows } from "./test-rows.ts";

testRows(ENDS);
