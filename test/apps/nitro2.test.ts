import { describeNitro } from "./_nitro.ts";

describeNitro("nitro2");
