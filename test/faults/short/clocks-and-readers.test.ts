import { CLOCKS_AND_READERS } from "../rows.ts";
import { testRows } from "./test-rows.ts";

testRows(CLOCKS_AND_READERS);
