/** What the test command says of the virtual machine: that this is it, or that it comes after this suite. */
export const vm = process.env.TENDRIL_TEST_VM;

export const insideVm = vm === "inside";

/** How the names of the tests that are for it end, there; it runs no others. */
export const IN_VM = " [in the vm]";
