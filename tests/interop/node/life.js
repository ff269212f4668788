// node life.js HOSTS: the life of a znode, as node-zookeeper-client sees it.
const zookeeper = require("node-zookeeper-client");
const { promisify } = require("node:util");

const client = zookeeper.createClient(process.argv[2], { sessionTimeout: 10000 });

async function live() {
  const create = promisify(client.create).bind(client);
  console.log("created", await create("/life", Buffer.from("hello")));
  const changed = new Promise((resolve, reject) => {
    client.getData("/life", resolve, (error, data) => {
      if (error) reject(error);
      else console.log("data", data.toString());
    });
  });
  const stat = await promisify(client.setData).bind(client)("/life", Buffer.from("goodbye"), 0);
  console.log("version", stat.version);
  console.log("watch", (await changed).getName(), (await changed).getPath());
  const transaction = client.transaction().create("/life/a", Buffer.from("1")).create("/life/b", Buffer.from("2"));
  const results = await promisify(transaction.check("/life", 1).commit).bind(transaction)();
  console.log("multi", results.length);
  const children = await new Promise((resolve, reject) =>
    client.getChildren("/life", (error, names) => (error ? reject(error) : resolve(names))));
  console.log("children", children.sort().join(","));
  const sequential = await create("/life/s-", Buffer.from(""), zookeeper.CreateMode.EPHEMERAL_SEQUENTIAL);
  console.log("sequential", sequential);
  await create("/missing/child", Buffer.from("x")).catch((error) => console.log("refused", error.getCode()));
}

client.once("connected", () =>
  live().catch((error) => { console.error(error); process.exitCode = 1; }).finally(() => client.close()));
client.connect();
