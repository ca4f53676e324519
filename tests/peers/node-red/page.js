// Looks at a page in headless Chromium: node page.js PROFILE URL PICTURE WANTED...
//
// Waits until the page shows every WANTED text, and none that is written as !TEXT, takes a picture of it, and prints its text. PROFILE is an empty directory.
// Exits with 1 and what the page shows instead after a minute.
const puppeteer = require("puppeteer-core");

async function main([profile, url, picture, ...wanted]) {
    const browser = await puppeteer.launch({
        executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
        userDataDir: profile,
        defaultViewport: { width: 1280, height: 800 },
        args: [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    });
    const text = async (page) => page.evaluate(() => document.body.innerText);
    try {
        const page = await browser.newPage();
        await page.goto(url, { waitUntil: "domcontentloaded", timeout: 60000 });
        const shown = (all) => {
            const text = document.body.innerText;
            return all.every((each) => (each.startsWith("!") ? !text.includes(each.slice(1)) : text.includes(each)));
        };
        try {
            await page.waitForFunction(shown, { timeout: 60000, polling: 200 }, wanted);
        } catch (error) {
            console.error(`never shown: ${wanted}\n${error}\n${await text(page)}`);
            process.exitCode = 1;
            return;
        }
        await page.screenshot({ path: picture });
        console.log(await text(page));
    } finally {
        await browser.close();
    }
}

main(process.argv.slice(2)).catch((error) => {
    console.error(error);
    process.exitCode = 1;
});
