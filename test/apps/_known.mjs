/** What an app's server cannot do on a runtime, by the name of the test that shows it, and why. */
export const known = [];
