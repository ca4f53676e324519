// Node-RED as a test runs it: node-red --settings FILE, with everything in NODE_RED_DIRECTORY, at NODE_RED_HOST:NODE_RED_PORT.
module.exports = {
    userDir: process.env.NODE_RED_DIRECTORY,
    flowFile: "flows.json",
    uiHost: process.env.NODE_RED_HOST,
    uiPort: Number(process.env.NODE_RED_PORT),
    // The test writes them; at an operator's Node-RED asks for them when the flows are imported.
    credentialSecret: false,
    // Nothing is fetched, nobody is told.
    externalModules: { autoInstall: false, palette: { allowInstall: false }, modules: { allowInstall: false } },
    telemetry: { enabled: false, updateNotification: false },
    logging: { console: { level: "info", metrics: false, audit: false } },
};
