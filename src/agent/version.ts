/** The program's version, which is package.json's. */
export const VERSION = "0.1.0";
