export default () => console.log("lazy loaded");
