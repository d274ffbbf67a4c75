// SPDX-License-Identifier: Apache-2.0

import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.http2.server.HTTP2CServerConnectionFactory;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.ServerConnector;

/** Jetty with a servlet behind the example: it answers with the ID of the key and the body. */
public final class Server extends HttpServlet {
  private static final long serialVersionUID = 1;

  Server() throws IOException, GeneralSecurityException {}

EXAMPLE

  @Override
  protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
    if (verified(request, response)) {
      response.setHeader("X-Key-Id", (String) request.getAttribute("keyId"));
      response.getOutputStream().write((byte[]) request.getAttribute("body"));
    }
  }

  public static void main(String[] arguments) throws Exception {
    String[] address = System.getenv("ADDRESS").split(":");
    var server = new org.eclipse.jetty.server.Server();
    var configuration = new HttpConfiguration();
    var connector = new ServerConnector(server, new HttpConnectionFactory(configuration), new HTTP2CServerConnectionFactory(configuration));
    connector.setHost(address[0]);
    connector.setPort(Integer.parseInt(address[1]));
    server.addConnector(connector);
    var context = new ServletContextHandler("/");
    context.addServlet(new ServletHolder(new Server()), "/*");
    server.setHandler(context);
    server.start();
    server.join();
  }
}
