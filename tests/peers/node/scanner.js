// The I/O scanner of ST-node-ethernet-ip as the PLC of a meter: node scanner.js METER RPI_MS unicast|multicast
//
// It knows only unicast frames and the 32-bit run/idle header, so what differs from that is set here: a heartbeat
// has no header, and for multicast the type in its Forward Open, the meter's connection ID and the group.
// Session, Forward Open, timing and the reading of frames are its own.
const { IO } = require("st-ethernet-ip");

const [meter, rpi, kind] = process.argv.slice(2);
const HEADER = 4;
const SIZE = 48;

const scanner = new IO.Scanner();
const config = {
    configInstance: { assembly: 1, size: 0 },
    outputInstance: { assembly: 98, size: 0 },
    inputInstance: { assembly: 101, size: SIZE },
};
const connection = scanner.addConnection(config, Number(rpi), meter);
const tcp = connection.tcpController;
tcp.outputInstance = { assembly: 98, size: -HEADER };

const message = connection.generateDataMessage;
connection.generateDataMessage = () => {
    const frame = message.call(connection);
    frame.writeUInt16LE(frame.readUInt16LE(16) - HEADER, 16);
    return frame.subarray(0, frame.length - HEADER);
};

if (kind === "multicast") {
    const PARAMETERS = 6 + 32; // Behind service and path, in a Forward Open.
    // The controller calls its parent's method.
    const parent = Object.getPrototypeOf(Object.getPrototypeOf(tcp));
    const write = parent.write_cip;
    parent.write_cip = function (data, ...rest) {
        if (data[0] === 0x54) data.writeUInt16LE((data.readUInt16LE(PARAMETERS) & ~0x6000) | 0x2000, PARAMETERS);
        return write.call(this, data, ...rest);
    };
    tcp.on("SendRRData Received", (items) => {
        const reply = items.find(({ TypeID }) => TypeID === 0xb2);
        const group = items.find(({ TypeID }) => TypeID === 0x8001);
        if (!reply || !group || reply.data[0] !== 0xd4 || reply.data[2] !== 0) return;
        scanner.socket.addMembership(Array.from(group.data.subarray(4, 8)).join("."), tcp.localAddress);
        // After it has taken its own.
        setTimeout(() => (connection.TOid = reply.data.readUInt32LE(8)), 0);
    });
}

let frames = 0;
const parse = connection.parseData;
connection.parseData = (data, socket) => {
    const before = connection.TOsequenceNum;
    parse.call(connection, data, socket);
    if (connection.TOsequenceNum === before) return;
    frames += 1;
    if (frames % 10 === 0) console.log(`frames ${frames} last ${connection.inputData.toString("hex")}`);
};
connection.on("connected", () => console.log("connected"));
connection.on("disconnected", () => console.log("disconnected"));
